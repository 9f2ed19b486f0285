/* Trains a logistic regression, then a small CNN, on scikit-learn's 1,797 digits of 8 x 8 pixels: lamella's kernels from C.
 *
 *     python examples/embed_c/digits_file.py digits.bin
 *     cc examples/embed_c/digits.c $(python -m lamella --includes) $(python -m lamella --libs) -lm -o digits
 *     ./digits digits.bin
 */
#include <lamella/lamella.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 1797, TRAINED = 1500, PIXELS = 64, CLASSES = 10, BATCH = 50, FILTERS = 16, FEATURES = 3 * 3 * FILTERS };

static float images[SAMPLES][PIXELS], one_hot[SAMPLES][CLASSES];

static void check(lamella_status status) {
    if (status == LAMELLA_OK) return;
    fprintf(stderr, "%s\n", lamella_last_error());
    exit(1);
}

/* Numbers between -limit and limit, the same in each run. */
static void fill(float* numbers, int count, float limit) {
    static uint32_t state = 1;
    int i;
    for (i = 0; i < count; ++i) {
        state = state * 1664525u + 1013904223u;
        numbers[i] = limit * (2.0f * (float)(state >> 8) / (1 << 24) - 1.0f);
    }
}

static int read_digits(const char* path) {
    unsigned char row[PIXELS + 1]; /* pixels from 0 to 16, label */
    FILE* file = fopen(path, "rb");
    int i, k;
    if (file == NULL) return 0;
    for (i = 0; i < SAMPLES && fread(row, sizeof row, 1, file) == 1 && row[PIXELS] < CLASSES; ++i) {
        for (k = 0; k < PIXELS; ++k) images[i][k] = row[k] / 16.0f;
        one_hot[i][row[PIXELS]] = 1.0f;
    }
    fclose(file);
    return i == SAMPLES;
}

/* Weights and bias of the convolution (unused without one) and of the dense layer, with their gradients and Adam's moments. */
enum { ARRAYS = 4 };
static float parameters[ARRAYS][9 * FILTERS * 16], gradients[ARRAYS][9 * FILTERS * 16];
static float firsts[ARRAYS][9 * FILTERS * 16], seconds[ARRAYS][9 * FILTERS * 16];

/* One step of Adam on arrays `begin` to `end` - 1. */
static void adam(const int64_t* sizes, int begin, int end, int step, double rate) {
    const lamella_moments_f32 moments = {0.9, 0.999, 1e-7};
    const lamella_bounds_f32 bounds = {NULL, 1.0, 0.0, 0.0, 0.0};
    const double corrected = rate * sqrt(1 - pow(moments.beta2, step)) / (1 - pow(moments.beta1, step));
    lamella_f32 p[ARRAYS], g[ARRAYS], m[ARRAYS], v[ARRAYS];
    lamella_f32_list ps, gs, ms, vs;
    int i;
    for (i = begin; i < end; ++i) {
        p[i] = lamella_f32_1d(parameters[i], sizes[i]);
        g[i] = lamella_f32_1d(gradients[i], sizes[i]);
        m[i] = lamella_f32_1d(firsts[i], sizes[i]);
        v[i] = lamella_f32_1d(seconds[i], sizes[i]);
    }
    ps.items = p + begin, gs.items = g + begin, ms.items = m + begin, vs.items = v + begin;
    ps.count = gs.count = ms.count = vs.count = end - begin;
    check(lamella_adam_update_f32(&ps, &gs, &ms, &vs, corrected, 0.0, &moments, &bounds));
}

/* Logits of a batch of n images from `first` on. With convolution: 3 x 3, relu, max pooling by 2. Keeps what backward needs. */
static float convolved[BATCH * 6 * 6 * FILTERS], pooled[BATCH * FEATURES], logits[BATCH * CLASSES];
static uint8_t argmax[BATCH * FEATURES];
static const lamella_window kernel3 = {2, {3, 3}, {1, 1}, {1, 1}, {0, 0}}, pool2 = {2, {2, 2}, {2, 2}, {1, 1}, {0, 0}};

static void forward(int with_convolution, int first, int n) {
    const lamella_f32 z = lamella_f32_2d(logits, n, CLASSES), bias = lamella_f32_1d(parameters[3], CLASSES);
    lamella_f32 features = lamella_f32_2d(images[first], n, PIXELS), weights = lamella_f32_2d(parameters[2], PIXELS, CLASSES);
    if (with_convolution) {
        const lamella_f32 x = lamella_f32_4d(images[first], n, 8, 8, 1), w = lamella_f32_4d(parameters[0], 3, 3, 1, FILTERS);
        const lamella_f32 b = lamella_f32_1d(parameters[1], FILTERS), c = lamella_f32_4d(convolved, n, 6, 6, FILTERS);
        const lamella_f32 p = lamella_f32_4d(pooled, n, 3, 3, FILTERS);
        const lamella_u8 places = lamella_u8_4d(argmax, n, 3, 3, FILTERS);
        check(lamella_conv_forward_f32(&x, &w, &b, &kernel3, 1, &c));
        check(lamella_max_pool_forward_f32(&c, &pool2, 0, &p, &places));
        features = lamella_f32_2d(pooled, n, FEATURES);
        weights = lamella_f32_2d(parameters[2], FEATURES, CLASSES);
    }
    check(lamella_dense_forward_f32(&features, &weights, &bias, 0, &z));
}

/* Gradients of the mean loss of the batch that `forward` saw last; returns that loss. */
static float backward(int with_convolution, int first, int n) {
    static float probabilities[BATCH * CLASSES], losses[BATCH], share[BATCH], dlogits[BATCH * CLASSES],
        dpooled[BATCH * FEATURES];
    static float dconvolved[BATCH * 6 * 6 * FILTERS];
    const lamella_f32 z = lamella_f32_2d(logits, n, CLASSES), y = lamella_f32_2d(one_hot[first], n, CLASSES);
    const lamella_f32 p = lamella_f32_2d(probabilities, n, CLASSES), loss = lamella_f32_1d(losses, n),
                      part = lamella_f32_1d(share, n);
    const lamella_f32 dz = lamella_f32_2d(dlogits, n, CLASSES), dbias = lamella_f32_1d(gradients[3], CLASSES);
    const int features = with_convolution ? FEATURES : PIXELS;
    const lamella_f32 x = lamella_f32_2d(with_convolution ? pooled : images[first], n, features);
    const lamella_f32 w = lamella_f32_2d(parameters[2], features, CLASSES),
                      dw = lamella_f32_2d(gradients[2], features, CLASSES);
    const lamella_f32 dfeatures = lamella_f32_2d(dpooled, n, features);
    float mean = 0;
    int i;
    for (i = 0; i < n; ++i) share[i] = 1.0f / (float)n;
    check(lamella_softmax_crossentropy_forward_f32(&z, &y, &p, &loss));
    check(lamella_softmax_crossentropy_backward_f32(&p, &y, &part, &dz));
    check(lamella_dense_backward_f32(&x, &w, NULL, &dz, NULL, with_convolution ? &dfeatures : NULL, &dw, &dbias));
    if (with_convolution) {
        const lamella_f32 dy = lamella_f32_4d(dpooled, n, 3, 3, FILTERS), dc = lamella_f32_4d(dconvolved, n, 6, 6, FILTERS);
        const lamella_f32 c = lamella_f32_4d(convolved, n, 6, 6, FILTERS), dk = lamella_f32_4d(gradients[0], 3, 3, 1, FILTERS);
        const lamella_f32 input = lamella_f32_4d(images[first], n, 8, 8, 1), db = lamella_f32_1d(gradients[1], FILTERS);
        const lamella_u8 places = lamella_u8_4d(argmax, n, 3, 3, FILTERS);
        check(lamella_max_pool_backward_f32(&dy, &places, &pool2, &dc));
        check(lamella_relu_backward_f32(&c, &dc, 0.0, INFINITY, 0.0, &dc));
        check(lamella_conv_backward_weights_f32(&input, &dc, &kernel3, &dk, &db));
    }
    for (i = 0; i < n; ++i) mean += losses[i] / (float)n;
    return mean;
}

static double accuracy(int with_convolution) {
    int first, i, k, right = 0;
    for (first = TRAINED; first < SAMPLES; first += BATCH) {
        const int n = SAMPLES - first < BATCH ? SAMPLES - first : BATCH;
        forward(with_convolution, first, n);
        for (i = 0; i < n; ++i) {
            int best = 0;
            for (k = 1; k < CLASSES; ++k) {
                if (logits[i * CLASSES + k] > logits[i * CLASSES + best]) best = k;
            }
            right += one_hot[first + i][best] == 1.0f;
        }
    }
    return (double)right / (SAMPLES - TRAINED);
}

static void train(const char* name, int with_convolution, int epochs, double rate) {
    const int64_t sizes[ARRAYS] = {9 * FILTERS, FILTERS, (with_convolution ? FEATURES : PIXELS) * CLASSES, CLASSES};
    int epoch, first, step = 0;
    float loss = 0;
    memset(parameters, 0, sizeof parameters);
    memset(firsts, 0, sizeof firsts);
    memset(seconds, 0, sizeof seconds);
    fill(parameters[0], 9 * FILTERS, 0.4f);
    fill(parameters[2], (int)sizes[2], 0.15f);
    for (epoch = 0; epoch < epochs; ++epoch) {
        for (first = 0; first < TRAINED; first += BATCH) {
            forward(with_convolution, first, BATCH);
            loss = backward(with_convolution, first, BATCH);
            adam(sizes, with_convolution ? 0 : 2, ARRAYS, ++step, rate);
        }
    }
    printf("%s: loss %.4f, accuracy on new digits %.4f\n", name, loss, accuracy(with_convolution));
}

int main(int count, char** arguments) {
    if (count != 2 || !read_digits(arguments[1])) {
        fprintf(stderr, "expected the name of a file that digits_file.py wrote\n");
        return 2;
    }
    printf("lamella %s, %s, %d threads\n", lamella_version(), lamella_target(), lamella_num_threads());
    train("logistic regression", 0, 30, 0.01);
    train("CNN", 1, 60, 0.005);
    return 0;
}
