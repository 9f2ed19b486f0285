"""What an installation without PyTorch sees of lamella.torch, and that nothing else imports torch."""

import subprocess
import sys


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_without_torch_the_import_says_what_to_install():
    found = run("import sys; sys.modules['torch'] = None\nimport lamella.torch")
    assert found.returncode == 1
    assert "ImportError: lamella.torch needs PyTorch 2.5 or later: pip install torch (" in found.stderr


def test_nothing_else_imports_torch():
    found = run(
        "import sys; sys.modules['torch'] = None\n"
        "import lamella, lamella.optimizers, lamella.layers, lamella.models, lamella.backend\n"
        "import numpy as np\n"
        "p = np.ones(3)\n"
        "lamella.optimizers.SGD(lr=0.5).step([p], [np.ones(3)])\n"
        "print(p.tolist())"
    )
    assert found.stdout == "[0.5, 0.5, 0.5]\n", found.stderr
