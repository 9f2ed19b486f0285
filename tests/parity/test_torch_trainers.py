"""lamella.torch's optimizers in PyTorch Lightning, in Hugging Face's Trainer and in place of DeepSpeed's.

The test of a program is skipped if the program is not installed.
"""

import copy
import logging
import os

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lamella import torch as ours  # noqa: E402 - after the skip

NAMES = ("Adam", "AdamW", "SGD")
# Both programs warn about the machine, about workers, and about deprecated functions of each other.
pytestmark = pytest.mark.filterwarnings("ignore")


def examples():
    torch.manual_seed(1)
    x = torch.randn(64, 6)
    return x, (x[:, 0] > 0).long()


@pytest.mark.parametrize("name", NAMES)
def test_lightning_trains_as_with_torchs_optimizer(name, tmp_path):
    lightning = pytest.importorskip("lightning", reason="needs PyTorch Lightning")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(lightning.LightningModule):
        def __init__(self, kind):
            super().__init__()
            torch.manual_seed(3)
            self.net = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
            self.kind, self.losses = kind, []

        def training_step(self, batch, _):
            x, y = batch
            loss = torch.nn.functional.cross_entropy(self.net(x), y)
            self.losses.append(loss.item())
            return loss

        def configure_optimizers(self):
            optimizer = getattr(self.kind, name)(self.parameters(), lr=0.05)
            return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)]

    def trainer(epochs):
        return lightning.Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            gradient_clip_val=0.5,
            accumulate_grad_batches=2,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
        )

    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*examples()), batch_size=8)
    runs = {}
    for kind in (ours, torch.optim):
        runs[kind] = module = Module(kind)
        fitted = trainer(4)
        fitted.fit(module, loader)
        assert type(fitted.optimizers[0]) is getattr(kind, name) and fitted.global_step == 16
        assert fitted.optimizers[0].param_groups[0]["lr"] == 0.05 / 4
        fitted.save_checkpoint(tmp_path / f"{kind.__name__}.ckpt")
    assert len(runs[ours].losses) == 32 and runs[ours].losses[-1] < 0.9 * runs[ours].losses[0]
    np.testing.assert_allclose(runs[ours].losses, runs[torch.optim].losses, rtol=2e-5)
    # A checkpoint that was written with torch's optimizer continues with ours.
    for kind in (ours, torch.optim):
        runs[kind] = module = Module(kind)
        trainer(6).fit(module, loader, ckpt_path=tmp_path / "torch.optim.ckpt")
        assert len(module.losses) == 16
    np.testing.assert_allclose(runs[ours].losses, runs[torch.optim].losses, rtol=2e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_trainer_of_hugging_face_trains_as_with_torchs_optimizer(name, tmp_path, monkeypatch):
    monkeypatch.setitem(os.environ, "HF_HUB_OFFLINE", "1")
    transformers = pytest.importorskip("transformers", reason="needs transformers")
    pytest.importorskip("accelerate", reason="needs accelerate")
    ids = np.random.default_rng(0).integers(1, 50, (32, 12))
    data = [{"input_ids": torch.tensor(row), "labels": torch.tensor(int(row[0] > 25))} for row in ids]

    def train(kind, steps, resume=None):
        torch.manual_seed(5)
        shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 50}
        model = transformers.BertForSequenceClassification(transformers.BertConfig(**shape, hidden_dropout_prob=0.0))
        optimizer = getattr(kind, name)(model.parameters(), lr=0.01)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 3, 0.5)
        folder = tmp_path / f"{kind.__name__}-{steps}"
        arguments = transformers.TrainingArguments(
            output_dir=str(folder),
            max_steps=steps,
            per_device_train_batch_size=8,
            gradient_accumulation_steps=2,
            max_grad_norm=0.7,
            logging_steps=1,
            save_steps=4,
            save_only_model=False,
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
            dataloader_pin_memory=False,
            seed=2,
        )
        trainer = transformers.Trainer(model=model, args=arguments, train_dataset=data, optimizers=(optimizer, scheduler))
        trainer.train(resume_from_checkpoint=resume)
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        return losses, [p.detach().numpy() for p in model.parameters()], folder

    losses, weights, _ = train(ours, 4)
    theirs, others, saved = train(torch.optim, 4)
    assert len(losses) == 4
    np.testing.assert_allclose(losses, theirs, rtol=1e-3)  # the log has rounded numbers
    for p, q in zip(weights, others, strict=True):
        np.testing.assert_allclose(p, q, rtol=0, atol=2e-5)
    # A checkpoint that was written with torch's optimizer continues with ours.
    losses, weights, _ = train(ours, 7, str(saved / "checkpoint-4"))
    theirs, others, _ = train(torch.optim, 7, str(saved / "checkpoint-4"))
    assert len(losses) == 7
    for p, q in zip(weights, others, strict=True):
        np.testing.assert_allclose(p, q, rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    "options", [{}, {"weight_decay": 0.1}, {"weight_decay": 0.1, "adamw_mode": False, "bias_correction": False}]
)
def test_the_class_of_deepspeed_is_replaced_in_place(options, monkeypatch):
    monkeypatch.setitem(os.environ, "DS_ACCELERATOR", "cpu")
    adam = pytest.importorskip(
        "deepspeed.ops.adam", reason="needs DeepSpeed, which compiles its class: ninja and a C++ compiler"
    )
    torch.manual_seed(2)
    start = [torch.randn(1000), torch.randn(33, 5)]
    lists = [[torch.nn.Parameter(t.clone()) for t in start] for _ in range(4)]

    def step(optimizers, params):
        for group in zip(*params, strict=True):
            g = torch.randn_like(group[0])
            for p in group:
                p.grad = g.clone()
        for optimizer in optimizers:
            optimizer.step()

    # It computes 1 - beta2 from a float32, 4.7e-5 off for 0.999, so its steps of at most 0.01 are off by 2.3e-7.
    near = {"rtol": 1e-5, "atol": 23 * 4e-7}
    theirs, mine = adam.DeepSpeedCPUAdam(lists[0], lr=0.01, **options), ours.DeepSpeedCPUAdam(lists[1], lr=0.01, **options)
    for _ in range(20):
        step([theirs, mine], lists[:2])
    for p, q in zip(*lists[:2], strict=True):
        torch.testing.assert_close(p, q, **near)
    # Each continues with the other's state.
    for source, target in ((0, 2), (1, 3)):
        for p, q in zip(lists[source], lists[target], strict=True):
            q.data.copy_(p.data)
    by_mine = ours.DeepSpeedCPUAdam(lists[2], **options)
    by_theirs = adam.DeepSpeedCPUAdam(lists[3], **options)
    by_mine.load_state_dict(copy.deepcopy(theirs.state_dict()))  # loading shares tensors
    by_theirs.load_state_dict(copy.deepcopy(mine.state_dict()))
    optimizers = [theirs, mine, by_mine, by_theirs]
    for _ in range(3):
        step(optimizers, lists)
    for p, *others in zip(*lists, strict=True):
        for q in others:
            torch.testing.assert_close(p, q, **near)
    assert all(type(own["step"]) is int and own["step"] == 23 for own in by_theirs.state_dict()["state"].values())
