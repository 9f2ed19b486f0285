"""How much smaller the examples run: what to give names and numbers in them."""

EVERYWHERE = {"epochs": 1, "EPOCHS": 1, "maxfun": 2}

# By what a script calls it.
NAMES = {
    "addition_rnn": {"TRAINING_SIZE": 1000},
    "cnn_seq2seq": {"num_samples": 200},
    "conv_filter_visualization": {"upscaling_steps": 1, "filter_range": (0, 8), "output_dim": (64, 64)},
    "conv_lstm": {"n_samples": 4, "which": 2},
    "deep_dream": {"iterations": 2},
    "image_ocr": {"words_per_epoch": 160, "rnn_size": 32},
    "lstm_seq2seq": {"num_samples": 200},
    "lstm_seq2seq_restore": {"num_samples": 200},
    "lstm_stateful": {"input_len": 200, "epochs": 2},
    "neural_style_transfer": {"img_nrows": 64},
}
# The lengths of MNIST, for shapes that are written out, and those of the stand-in.
LENGTHS = {60000: 600, 10000: 300}
# Numbers that have no name: ranges of loops, most of them.
NUMBERS = {
    "addition_rnn": {200: 3},
    "image_ocr": {16000: 160, 32000: 320, 256: 32, 512: 128, 20: 1, 25: 2},
    "lstm_seq2seq": {100: 3},
    "lstm_seq2seq_restore": {100: 3},
    "lstm_text_generation": {400: 20},
    "neural_doodle": {50: 1},
}
# What K.backend() answers to a script that refuses to begin on TensorFlow, for want of the gradient of a gradient.
ANSWERS = {"mnist_swwae": "theano"}
