/* lamella's kernels for C, and for every language that calls C. C99 or C++11.
 *
 *     float x[4] = {-1, 2, -3, 4}, y[4];
 *     const lamella_f32 in = lamella_f32_1d(x, 4), out = lamella_f32_1d(y, 4);
 *     if (lamella_relu_forward_f32(&in, 0, INFINITY, 0, &out) != LAMELLA_OK) puts(lamella_last_error());
 *
 * Each kernel is two functions, for float and for double. Arrays are C-contiguous and stay the caller's: a kernel keeps no
 * pointer after it returns. The arguments are checked first; where a function returns another status than LAMELLA_OK, no array
 * was written. An array that a kernel writes overlaps no other argument, except where the comment says "in place". Arrays whose
 * size is 0, and NULL, stand for an optional array that is absent.
 *
 * Functions may be called from any thread. The results do not depend on the number of threads. After fork, a child process
 * computes on one thread.
 */
#ifndef LAMELLA_H
#define LAMELLA_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define LAMELLA_API __attribute__((visibility("default")))
#else
#define LAMELLA_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Grows by 1 when a program that was compiled with an older header would no longer run. */
#define LAMELLA_ABI_VERSION 1
LAMELLA_API int lamella_abi_version(void);
/* The version of the package, such as "0.1.0". */
LAMELLA_API const char* lamella_version(void);

typedef enum {
    LAMELLA_OK = 0,
    LAMELLA_INVALID = 1, /* an argument is not what the function takes */
    LAMELLA_OUT_OF_MEMORY = 2,
    LAMELLA_UNSUPPORTED = 3 /* this CPU, or LAMELLA_TARGET in the environment, names no instruction set that runs here */
} lamella_status;

/* What was wrong in the last call of this thread that did not return LAMELLA_OK: function, argument, what was expected and what
 * came. Valid until the thread's next such call. */
LAMELLA_API const char* lamella_last_error(void);

/* Instruction sets, such as "avx2". LAMELLA_TARGET in the environment chooses one, otherwise the best that this CPU has. NULL:
 * none runs here. */
LAMELLA_API const char* lamella_target(void);
LAMELLA_API lamella_status lamella_select_target(const char* name);
/* The name of target i, the best first; NULL after the last. */
LAMELLA_API const char* lamella_available_target(int i);

/* The number of threads that a call would use now, from 1. By default the CPUs that this process may use. */
LAMELLA_API int lamella_num_threads(void);
LAMELLA_API lamella_status lamella_set_num_threads(int n);

/* Kernels on the threads of the calling program: lamella calls parallel_for(context, chunks, run, work), which calls
 * run(work, first, last) for ranges that together are [0, chunks), each chunk once, on threads of its choice, and returns after
 * the last of these calls. A chunk is about 20 microseconds of work. NULL: lamella's own threads again. Set it while no kernel
 * runs; it is one setting for the process. lamella_set_num_threads(1) makes each kernel run on the thread that calls it. */
typedef void (*lamella_run)(void* work, int64_t first, int64_t last);
typedef void (*lamella_parallel_for)(void* context, int64_t chunks, lamella_run run, void* work);
LAMELLA_API void lamella_set_parallel_for(lamella_parallel_for parallel_for, void* context);

#define LAMELLA_MAX_RANK 8
#define LAMELLA_MAX_AXES 3

/* An array: `size` is the product of the first `rank` entries of `shape`, the other entries are 1. lamella_f32_of and its short
 * forms fill it in. Functions that read an array take the same struct and do not write to data. */
typedef struct {
    float* data;
    int64_t size, rank, shape[LAMELLA_MAX_RANK];
} lamella_f32;
typedef struct {
    double* data;
    int64_t size, rank, shape[LAMELLA_MAX_RANK];
} lamella_f64;
typedef struct {
    uint8_t* data;
    int64_t size, rank, shape[LAMELLA_MAX_RANK];
} lamella_u8;
typedef struct {
    int64_t* data;
    int64_t size, rank, shape[LAMELLA_MAX_RANK];
} lamella_i64;

typedef struct {
    const lamella_f32* items;
    int64_t count;
} lamella_f32_list;
typedef struct {
    const lamella_f64* items;
    int64_t count;
} lamella_f64_list;
typedef struct {
    const lamella_u8* items;
    int64_t count;
} lamella_u8_list;

#define LAMELLA_ARRAY_FUNCTIONS_(array, element)                                                             \
    static inline array array##_of(const element* data, int64_t rank, const int64_t* shape) {                \
        array a;                                                                                             \
        int64_t i;                                                                                           \
        a.data = (element*)data;                                                                             \
        a.size = 1;                                                                                          \
        a.rank = rank;                                                                                       \
        for (i = 0; i < LAMELLA_MAX_RANK; ++i) {                                                             \
            a.shape[i] = i < rank ? shape[i] : 1;                                                            \
            a.size *= a.shape[i];                                                                            \
        }                                                                                                    \
        return a;                                                                                            \
    }                                                                                                        \
    static inline array array##_1d(const element* data, int64_t n) { return array##_of(data, 1, &n); }       \
    static inline array array##_2d(const element* data, int64_t rows, int64_t columns) {                     \
        const int64_t shape[2] = {rows, columns};                                                            \
        return array##_of(data, 2, shape);                                                                   \
    }                                                                                                        \
    static inline array array##_4d(const element* data, int64_t n, int64_t h, int64_t w, int64_t channels) { \
        const int64_t shape[4] = {n, h, w, channels};                                                        \
        return array##_of(data, 4, shape);                                                                   \
    }
LAMELLA_ARRAY_FUNCTIONS_(lamella_f32, float)
LAMELLA_ARRAY_FUNCTIONS_(lamella_f64, double)
LAMELLA_ARRAY_FUNCTIONS_(lamella_u8, uint8_t)
LAMELLA_ARRAY_FUNCTIONS_(lamella_i64, int64_t)
#undef LAMELLA_ARRAY_FUNCTIONS_

/* A window that moves over 1 to 3 axes: for each axis its size, its step, the distance of its places, and the number of zeros
 * before the first element. The zeros after the last one follow from the size of the output. */
typedef struct {
    int64_t axes;
    int64_t size[LAMELLA_MAX_AXES], stride[LAMELLA_MAX_AXES], dilation[LAMELLA_MAX_AXES], before[LAMELLA_MAX_AXES];
} lamella_window;

/* --- from cpp/table, by cpp/capi/header.py: what you write below this line is overwritten --- */
// clang-format off
// Arguments that three kernels or more have in common. One line for each bundle: its name and its typed fields; its contract is
// above the line. A kernel takes the struct of this name (cpp/core/bundles.h); Python passes a tuple.
// RecurrentLayer: the weights of a layer with U units, kernel [F, gates*U] and recurrent_kernel [U, gates*U], and options for
// the steps over x [N, T, F]. mask [N, T] or absent: a step where it is 0 keeps the states and repeats the output, which is 0
// before the first step. input_dropout [1 or gates, N, F] and recurrent_dropout [1 or gates, N, U], or absent: at each step x,
// and h before the product with the recurrent kernel, are multiplied by them; one for all gates or one for each. backwards: 1
// means from the last x to the first.
typedef struct {
    const lamella_f32* kernel;
    const lamella_f32* recurrent_kernel;
    const lamella_u8* mask;
    const lamella_f32* input_dropout;
    const lamella_f32* recurrent_dropout;
    int64_t backwards;
} lamella_recurrent_layer_f32;
typedef struct {
    const lamella_f64* kernel;
    const lamella_f64* recurrent_kernel;
    const lamella_u8* mask;
    const lamella_f64* input_dropout;
    const lamella_f64* recurrent_dropout;
    int64_t backwards;
} lamella_recurrent_layer_f64;
// RecurrentGradients: the gradients that the backward kernels of all these layers write. Each may be absent, except dh0, the
// gradient of the state before the first step.
typedef struct {
    const lamella_f32* dx;
    const lamella_f32* dkernel;
    const lamella_f32* drecurrent;
    const lamella_f32* dbias;
    const lamella_f32* dh0;
} lamella_recurrent_gradients_f32;
typedef struct {
    const lamella_f64* dx;
    const lamella_f64* dkernel;
    const lamella_f64* drecurrent;
    const lamella_f64* dbias;
    const lamella_f64* dh0;
} lamella_recurrent_gradients_f64;
// Standardization of an image's values v [P, Q, C], in this order; absent arrays (of size 0) are left out:
//   rescale: v * rescale.
//   center, scale; 1 means yes: v - the image's mean; v / (the image's standard deviation + 1e-6).
//   mean, deviation [C] or [P, Q, C]: (v - mean) / deviation.
typedef struct {
    double rescale;
    int64_t center;
    int64_t scale;
    const lamella_f32* mean;
    const lamella_f32* deviation;
} lamella_standardization_f32;
typedef struct {
    double rescale;
    int64_t center;
    int64_t scale;
    const lamella_f64* mean;
    const lamella_f64* deviation;
} lamella_standardization_f64;
// Bounds: how optimizers read gradients. A gradient is clip(s * (g + sum), -clip, clip). s is scale, reduced so that the norm
// of all arrays together is at most `norm`, and then so that the norm of each array is at most norm_each. norm, norm_each and
// clip have no effect if they are 0, sums if it is empty. Squares are summed in an order that depends only on the shapes.
typedef struct {
    const lamella_f32_list* sums;
    double scale;
    double norm;
    double norm_each;
    double clip;
} lamella_bounds_f32;
typedef struct {
    const lamella_f64_list* sums;
    double scale;
    double norm;
    double norm_each;
    double clip;
} lamella_bounds_f64;
// Moments: the decay rates of Adam's two moving averages, and the number that is added to the denominator.
typedef struct {
    double beta1;
    double beta2;
    double eps;
} lamella_moments_f32;
typedef struct {
    double beta1;
    double beta2;
    double eps;
} lamella_moments_f64;
// Narrow: how a narrow optimizer stores its arrays, and what it does in the same pass. Arrays of bfloat16 are given as bytes, of
// twice the size.
//   params, grads: the parameters and gradients if they are bfloat16, and then ps and gs are empty. Otherwise these are empty.
//   copies: empty, or for each parameter of type T bfloat16, which becomes its new value, rounded to nearest.
//   bits: of each number of a slot. 32: bytes of T. 16: bfloat16. 8: for each 256 elements a scale, as float32; after all of these
//     the codes of the elements (cpp/kernels/optimizer/storage.h). A slot of n elements has 4 * ceil(n / 256) + n bytes.
//   zero: 1 means that the gradients become 0.
//   scale: the gradients are multiplied by it first.
//   stochastic: 1 means that numbers are rounded at random, up or down, with the value as the mean; 0: to nearest. The random bits
//     are xoshiro128++'s (cpp/kernels/random_streams.h), whose states are Philox4x32-10's words of key seed and counters from
//     (2*offset, i/4) on for slots, (2*offset + 1, i/4) for parameters, at the begin i of each array and at each multiple of 16384:
//     i counts the elements of all arrays; each array begins at a multiple of 256. The slots of an element share 16 bits.
typedef struct {
    const lamella_u8_list* params;
    const lamella_u8_list* grads;
    const lamella_u8_list* copies;
    int64_t bits;
    int64_t zero;
    double scale;
    int64_t stochastic;
    int64_t seed;
    int64_t offset;
} lamella_narrow_f32;
typedef struct {
    const lamella_u8_list* params;
    const lamella_u8_list* grads;
    const lamella_u8_list* copies;
    int64_t bits;
    int64_t zero;
    double scale;
    int64_t stochastic;
    int64_t seed;
    int64_t offset;
} lamella_narrow_f64;

// --- elementwise activations: x, y, dy, dx have the same shape ------------------------
// relu: where x > threshold, x clipped to [0, max_value], or x itself if max_value is infinite; alpha*(x-threshold) elsewhere.
// backward reads x.
// Writes y; in place: y.
LAMELLA_API lamella_status lamella_relu_forward_f32(const lamella_f32* x, double alpha, double max_value, double threshold,
        const lamella_f32* y);
LAMELLA_API lamella_status lamella_relu_forward_f64(const lamella_f64* x, double alpha, double max_value, double threshold,
        const lamella_f64* y);
// Writes dx; in place: dx.
LAMELLA_API lamella_status lamella_relu_backward_f32(const lamella_f32* x, const lamella_f32* dy, double alpha,
        double max_value, double threshold, const lamella_f32* dx);
LAMELLA_API lamella_status lamella_relu_backward_f64(const lamella_f64* x, const lamella_f64* dy, double alpha,
        double max_value, double threshold, const lamella_f64* dx);
// prelu: x where x > 0, else alpha[c] * x; x as [R, C], alpha has C numbers. dx is 0 where x is 0; dalpha[c] is the sum of dy * x
// where x < 0.
// Writes y; in place: y.
LAMELLA_API lamella_status lamella_prelu_forward_f32(const lamella_f32* x, const lamella_f32* alpha, const lamella_f32* y);
LAMELLA_API lamella_status lamella_prelu_forward_f64(const lamella_f64* x, const lamella_f64* alpha, const lamella_f64* y);
// Writes dx, dalpha; in place: dx.
LAMELLA_API lamella_status lamella_prelu_backward_f32(const lamella_f32* x, const lamella_f32* alpha, const lamella_f32* dy,
        const lamella_f32* dx, const lamella_f32* dalpha);
LAMELLA_API lamella_status lamella_prelu_backward_f64(const lamella_f64* x, const lamella_f64* alpha, const lamella_f64* dy,
        const lamella_f64* dx, const lamella_f64* dalpha);
// All other backward kernels read the output y.
// elu: y = scale * (x if x > 0, else alpha*(exp(x)-1)). selu is elu with its own alpha and scale.
// Writes y; in place: y.
LAMELLA_API lamella_status lamella_elu_forward_f32(const lamella_f32* x, double alpha, double scale, const lamella_f32* y);
LAMELLA_API lamella_status lamella_elu_forward_f64(const lamella_f64* x, double alpha, double scale, const lamella_f64* y);
// Writes dx; in place: dx.
LAMELLA_API lamella_status lamella_elu_backward_f32(const lamella_f32* y, const lamella_f32* dy, double alpha, double scale,
        const lamella_f32* dx);
LAMELLA_API lamella_status lamella_elu_backward_f64(const lamella_f64* y, const lamella_f64* dy, double alpha, double scale,
        const lamella_f64* dx);
// Writes y; in place: y.
LAMELLA_API lamella_status lamella_tanh_forward_f32(const lamella_f32* x, const lamella_f32* y);
LAMELLA_API lamella_status lamella_tanh_forward_f64(const lamella_f64* x, const lamella_f64* y);
// Writes dx; in place: dx.
LAMELLA_API lamella_status lamella_tanh_backward_f32(const lamella_f32* y, const lamella_f32* dy, const lamella_f32* dx);
LAMELLA_API lamella_status lamella_tanh_backward_f64(const lamella_f64* y, const lamella_f64* dy, const lamella_f64* dx);
// Writes y; in place: y.
LAMELLA_API lamella_status lamella_sigmoid_forward_f32(const lamella_f32* x, const lamella_f32* y);
LAMELLA_API lamella_status lamella_sigmoid_forward_f64(const lamella_f64* x, const lamella_f64* y);
// Writes dx; in place: dx.
LAMELLA_API lamella_status lamella_sigmoid_backward_f32(const lamella_f32* y, const lamella_f32* dy, const lamella_f32* dx);
LAMELLA_API lamella_status lamella_sigmoid_backward_f64(const lamella_f64* y, const lamella_f64* dy, const lamella_f64* dx);
// hard_sigmoid: clip(0.2*x + 0.5, 0, 1).
// Writes y; in place: y.
LAMELLA_API lamella_status lamella_hard_sigmoid_forward_f32(const lamella_f32* x, const lamella_f32* y);
LAMELLA_API lamella_status lamella_hard_sigmoid_forward_f64(const lamella_f64* x, const lamella_f64* y);
// Writes dx; in place: dx.
LAMELLA_API lamella_status lamella_hard_sigmoid_backward_f32(const lamella_f32* y, const lamella_f32* dy,
        const lamella_f32* dx);
LAMELLA_API lamella_status lamella_hard_sigmoid_backward_f64(const lamella_f64* y, const lamella_f64* dy,
        const lamella_f64* dx);
// softplus: log(1 + exp(x)).   softsign: x / (1 + |x|).
// Writes y; in place: y.
LAMELLA_API lamella_status lamella_softplus_forward_f32(const lamella_f32* x, const lamella_f32* y);
LAMELLA_API lamella_status lamella_softplus_forward_f64(const lamella_f64* x, const lamella_f64* y);
// Writes dx; in place: dx.
LAMELLA_API lamella_status lamella_softplus_backward_f32(const lamella_f32* y, const lamella_f32* dy, const lamella_f32* dx);
LAMELLA_API lamella_status lamella_softplus_backward_f64(const lamella_f64* y, const lamella_f64* dy, const lamella_f64* dx);
// Writes y; in place: y.
LAMELLA_API lamella_status lamella_softsign_forward_f32(const lamella_f32* x, const lamella_f32* y);
LAMELLA_API lamella_status lamella_softsign_forward_f64(const lamella_f64* x, const lamella_f64* y);
// Writes dx; in place: dx.
LAMELLA_API lamella_status lamella_softsign_backward_f32(const lamella_f32* y, const lamella_f32* dy, const lamella_f32* dx);
LAMELLA_API lamella_status lamella_softsign_backward_f64(const lamella_f64* y, const lamella_f64* dy, const lamella_f64* dx);
// Writes y; in place: y.
LAMELLA_API lamella_status lamella_exp_forward_f32(const lamella_f32* x, const lamella_f32* y);
LAMELLA_API lamella_status lamella_exp_forward_f64(const lamella_f64* x, const lamella_f64* y);
// Writes y; in place: y.
LAMELLA_API lamella_status lamella_log_forward_f32(const lamella_f32* x, const lamella_f32* y);
LAMELLA_API lamella_status lamella_log_forward_f64(const lamella_f64* x, const lamella_f64* y);
// function: 0 |x|, 1 sqrt(max(x, 0)), 2 x within [p, q], 3 x ** p, where 2p is a whole number and |p| at most 8. The gradient of |x|
// at 0 and of the root at 0 is 0, that of x within [p, q] is dy at the bounds.
// Writes y; in place: y.
LAMELLA_API lamella_status lamella_elementary_forward_f32(const lamella_f32* x, int64_t function, double p, double q,
        const lamella_f32* y);
LAMELLA_API lamella_status lamella_elementary_forward_f64(const lamella_f64* x, int64_t function, double p, double q,
        const lamella_f64* y);
// Writes dx; in place: dx.
LAMELLA_API lamella_status lamella_elementary_backward_f32(const lamella_f32* x, const lamella_f32* dy, int64_t function,
        double p, double q, const lamella_f32* dx);
LAMELLA_API lamella_status lamella_elementary_backward_f64(const lamella_f64* x, const lamella_f64* dy, int64_t function,
        double p, double q, const lamella_f64* dx);
// y = a where the condition is not 0, else b; a and b have y's shape or one element.
// Writes y; in place: y.
LAMELLA_API lamella_status lamella_where_f32(const lamella_u8* condition, const lamella_f32* a, const lamella_f32* b,
        const lamella_f32* y);
LAMELLA_API lamella_status lamella_where_f64(const lamella_u8* condition, const lamella_f64* a, const lamella_f64* b,
        const lamella_f64* y);
// --- arithmetic: y [N, R, C]; a and b the same, or 1 in place of any of them. operation: 0 a + b, 1 a - b, 2 b - a, 3 a * b,
// 4 a / b, 5 b / a, 6 the larger one, 7 the smaller one; NaN if one is NaN ----------------------------------
// Writes y; in place: y.
LAMELLA_API lamella_status lamella_arithmetic_f32(const lamella_f32* a, const lamella_f32* b, int64_t operation,
        const lamella_f32* y);
LAMELLA_API lamella_status lamella_arithmetic_f64(const lamella_f64* a, const lamella_f64* b, int64_t operation,
        const lamella_f64* y);
// modulo: a mod b with the sign of b, as in Python.  floor_divide: floor(a / b).  b has a's size or one element. Numbers that are
// not finite, quotients of 2^22 and more in size and products near the smallest number are an error; y may have any contents then.
// Writes y.
LAMELLA_API lamella_status lamella_modulo_f32(const lamella_f32* a, const lamella_f32* b, const lamella_f32* y);
LAMELLA_API lamella_status lamella_modulo_f64(const lamella_f64* a, const lamella_f64* b, const lamella_f64* y);
// Writes y.
LAMELLA_API lamella_status lamella_floor_divide_f32(const lamella_f32* a, const lamella_f32* b, const lamella_f32* y);
LAMELLA_API lamella_status lamella_floor_divide_f64(const lamella_f64* a, const lamella_f64* b, const lamella_f64* y);
// --- rows: x [R, C], each row separately. Here and in the losses R may be any number of axes --------------
// softmax over C. NaN, and a row in which all elements are -inf, give NaN.
// Writes y; in place: y.
LAMELLA_API lamella_status lamella_softmax_forward_f32(const lamella_f32* x, const lamella_f32* y);
LAMELLA_API lamella_status lamella_softmax_forward_f64(const lamella_f64* x, const lamella_f64* y);
// dx = y * (dy - sum(dy*y)).
// Writes dx.
LAMELLA_API lamella_status lamella_softmax_backward_f32(const lamella_f32* y, const lamella_f32* dy, const lamella_f32* dx);
LAMELLA_API lamella_status lamella_softmax_backward_f64(const lamella_f64* y, const lamella_f64* dy, const lamella_f64* dx);
// --- reductions: vectors sum chunks of fixed size, whose sums are added in order; empty sums are 0 --------
// x [R, C].  sum_rows: y [R].  sum_columns: y [C], R may be several axes; or x [N, R, C], y [N, C].
// Writes y.
LAMELLA_API lamella_status lamella_sum_rows_f32(const lamella_f32* x, const lamella_f32* y);
LAMELLA_API lamella_status lamella_sum_rows_f64(const lamella_f64* x, const lamella_f64* y);
// Writes y.
LAMELLA_API lamella_status lamella_sum_columns_f32(const lamella_f32* x, const lamella_f32* y);
LAMELLA_API lamella_status lamella_sum_columns_f64(const lamella_f64* x, const lamella_f64* y);
// y [1] = sum x, sum x*x, sum |x|; x of any shape.
// Writes y.
LAMELLA_API lamella_status lamella_sum_all_f32(const lamella_f32* x, const lamella_f32* y);
LAMELLA_API lamella_status lamella_sum_all_f64(const lamella_f64* x, const lamella_f64* y);
// Writes y.
LAMELLA_API lamella_status lamella_sum_squares_f32(const lamella_f32* x, const lamella_f32* y);
LAMELLA_API lamella_status lamella_sum_squares_f64(const lamella_f64* x, const lamella_f64* y);
// Writes y.
LAMELLA_API lamella_status lamella_sum_absolute_f32(const lamella_f32* x, const lamella_f32* y);
LAMELLA_API lamella_status lamella_sum_absolute_f64(const lamella_f64* x, const lamella_f64* y);
// x [N, S, C], y [N, C], S at least 1: the largest elements along S, or the smallest ones. NaN if one is NaN. Equal ones share the
// gradient: dx = dy / (their number) where x = y, else 0. NaN has none.
// Writes y.
LAMELLA_API lamella_status lamella_extremum_forward_f32(const lamella_f32* x, int64_t smallest, const lamella_f32* y);
LAMELLA_API lamella_status lamella_extremum_forward_f64(const lamella_f64* x, int64_t smallest, const lamella_f64* y);
// Writes dx.
LAMELLA_API lamella_status lamella_extremum_backward_f32(const lamella_f32* x, const lamella_f32* y, const lamella_f32* dy,
        const lamella_f32* dx);
LAMELLA_API lamella_status lamella_extremum_backward_f64(const lamella_f64* x, const lamella_f64* y, const lamella_f64* dy,
        const lamella_f64* dx);
// x, y [N, S, C]: sums or products along S so far, y[s] = y[s - 1] + x[s] or y[s - 1] * x[s], one after another; in reverse from
// the last place on. With factors [N, S, C], else absent, sums are y[s] = factors[s - 1] * y[s - 1] + x[s]; s - 1 is the place
// before, in reverse s + 1.
// Writes y.
LAMELLA_API lamella_status lamella_cumulate_f32(const lamella_f32* x, const lamella_f32* factors, int64_t product,
        int64_t reverse, const lamella_f32* y);
LAMELLA_API lamella_status lamella_cumulate_f64(const lamella_f64* x, const lamella_f64* factors, int64_t product,
        int64_t reverse, const lamella_f64* y);
// --- dropout: element i is kept if Philox4x32-10(key seed, counter (offset, i/4))[i%4] >= rate * 2^32, and then
// scaled by 1/(1-rate). Backward is the same call on dy. --------------------------------
// Writes y; in place: y.
LAMELLA_API lamella_status lamella_dropout_f32(const lamella_f32* x, double rate, int64_t seed, int64_t offset,
        const lamella_f32* y);
LAMELLA_API lamella_status lamella_dropout_f64(const lamella_f64* x, double rate, int64_t seed, int64_t offset,
        const lamella_f64* y);
// gaussian_noise: x + n, or x * (1 + n) if multiplied is 1; n is stddev times a standard normal number. The words of Philox with
// key seed and counters (offset, 0), (offset, 1) ... in blocks of 64, as 64 numbers of 32 bits or 32 of 64 for float64, give as
// many normal ones: with pairs u, v in (0, 1] of the first and of the second half, sqrt(-2 log u) cos(pi (2v - 1)), then those of
// sin. Backward of x * (1 + n) is the same call on dy.
// Writes y; in place: y.
LAMELLA_API lamella_status lamella_gaussian_noise_f32(const lamella_f32* x, double stddev, int64_t multiplied, int64_t seed,
        int64_t offset, const lamella_f32* y);
LAMELLA_API lamella_status lamella_gaussian_noise_f64(const lamella_f64* x, double stddev, int64_t multiplied, int64_t seed,
        int64_t offset, const lamella_f64* y);

// --- losses: p, y [R, C]; loss [R] is the loss of each row, dloss [R] its gradient ----------------------
// mean over C of (p-y)^2, |p-y|.
// Writes loss.
LAMELLA_API lamella_status lamella_squared_error_forward_f32(const lamella_f32* p, const lamella_f32* y,
        const lamella_f32* loss);
LAMELLA_API lamella_status lamella_squared_error_forward_f64(const lamella_f64* p, const lamella_f64* y,
        const lamella_f64* loss);
// Writes dp.
LAMELLA_API lamella_status lamella_squared_error_backward_f32(const lamella_f32* p, const lamella_f32* y,
        const lamella_f32* dloss, const lamella_f32* dp);
LAMELLA_API lamella_status lamella_squared_error_backward_f64(const lamella_f64* p, const lamella_f64* y,
        const lamella_f64* dloss, const lamella_f64* dp);
// Writes loss.
LAMELLA_API lamella_status lamella_absolute_error_forward_f32(const lamella_f32* p, const lamella_f32* y,
        const lamella_f32* loss);
LAMELLA_API lamella_status lamella_absolute_error_forward_f64(const lamella_f64* p, const lamella_f64* y,
        const lamella_f64* loss);
// Writes dp.
LAMELLA_API lamella_status lamella_absolute_error_backward_f32(const lamella_f32* p, const lamella_f32* y,
        const lamella_f32* dloss, const lamella_f32* dp);
LAMELLA_API lamella_status lamella_absolute_error_backward_f64(const lamella_f64* p, const lamella_f64* y,
        const lamella_f64* dloss, const lamella_f64* dp);
// The losses of Keras 2.2.5 that follow are described by their formulas. backward_target gives the gradient of y. It does not
// exist for a loss that depends only on p - y, where the gradient of y is -dp, and for a loss that does not change if p and y
// are exchanged, where the gradient of y is backward with p and y exchanged.
// mean of 100 |p-y| / max(|y|, eps).
// Writes loss.
LAMELLA_API lamella_status lamella_percentage_error_forward_f32(const lamella_f32* p, const lamella_f32* y, double eps,
        const lamella_f32* loss);
LAMELLA_API lamella_status lamella_percentage_error_forward_f64(const lamella_f64* p, const lamella_f64* y, double eps,
        const lamella_f64* loss);
// Writes dp.
LAMELLA_API lamella_status lamella_percentage_error_backward_f32(const lamella_f32* p, const lamella_f32* y,
        const lamella_f32* dloss, double eps, const lamella_f32* dp);
LAMELLA_API lamella_status lamella_percentage_error_backward_f64(const lamella_f64* p, const lamella_f64* y,
        const lamella_f64* dloss, double eps, const lamella_f64* dp);
// Writes dy.
LAMELLA_API lamella_status lamella_percentage_error_backward_target_f32(const lamella_f32* p, const lamella_f32* y,
        const lamella_f32* dloss, double eps, const lamella_f32* dy);
LAMELLA_API lamella_status lamella_percentage_error_backward_target_f64(const lamella_f64* p, const lamella_f64* y,
        const lamella_f64* dloss, double eps, const lamella_f64* dy);
// mean of (log(max(p, eps) + 1) - log(max(y, eps) + 1))^2.
// Writes loss.
LAMELLA_API lamella_status lamella_logarithmic_error_forward_f32(const lamella_f32* p, const lamella_f32* y, double eps,
        const lamella_f32* loss);
LAMELLA_API lamella_status lamella_logarithmic_error_forward_f64(const lamella_f64* p, const lamella_f64* y, double eps,
        const lamella_f64* loss);
// Writes dp.
LAMELLA_API lamella_status lamella_logarithmic_error_backward_f32(const lamella_f32* p, const lamella_f32* y,
        const lamella_f32* dloss, double eps, const lamella_f32* dp);
LAMELLA_API lamella_status lamella_logarithmic_error_backward_f64(const lamella_f64* p, const lamella_f64* y,
        const lamella_f64* dloss, double eps, const lamella_f64* dp);
// mean of log(cosh(p-y)), exact near 0 and without overflow.
// Writes loss.
LAMELLA_API lamella_status lamella_logcosh_forward_f32(const lamella_f32* p, const lamella_f32* y, const lamella_f32* loss);
LAMELLA_API lamella_status lamella_logcosh_forward_f64(const lamella_f64* p, const lamella_f64* y, const lamella_f64* loss);
// Writes dp.
LAMELLA_API lamella_status lamella_logcosh_backward_f32(const lamella_f32* p, const lamella_f32* y, const lamella_f32* dloss,
        const lamella_f32* dp);
LAMELLA_API lamella_status lamella_logcosh_backward_f64(const lamella_f64* p, const lamella_f64* y, const lamella_f64* dloss,
        const lamella_f64* dp);
// mean of p - y log(p + eps).
// Writes loss.
LAMELLA_API lamella_status lamella_poisson_forward_f32(const lamella_f32* p, const lamella_f32* y, double eps,
        const lamella_f32* loss);
LAMELLA_API lamella_status lamella_poisson_forward_f64(const lamella_f64* p, const lamella_f64* y, double eps,
        const lamella_f64* loss);
// Writes dp.
LAMELLA_API lamella_status lamella_poisson_backward_f32(const lamella_f32* p, const lamella_f32* y, const lamella_f32* dloss,
        double eps, const lamella_f32* dp);
LAMELLA_API lamella_status lamella_poisson_backward_f64(const lamella_f64* p, const lamella_f64* y, const lamella_f64* dloss,
        double eps, const lamella_f64* dp);
// Writes dy.
LAMELLA_API lamella_status lamella_poisson_backward_target_f32(const lamella_f32* p, const lamella_f32* y,
        const lamella_f32* dloss, double eps, const lamella_f32* dy);
LAMELLA_API lamella_status lamella_poisson_backward_target_f64(const lamella_f64* p, const lamella_f64* y,
        const lamella_f64* dloss, double eps, const lamella_f64* dy);
// mean of max(1 - y p, 0), and of its square; the gradient at 0 is 0.
// Writes loss.
LAMELLA_API lamella_status lamella_hinge_forward_f32(const lamella_f32* p, const lamella_f32* y, const lamella_f32* loss);
LAMELLA_API lamella_status lamella_hinge_forward_f64(const lamella_f64* p, const lamella_f64* y, const lamella_f64* loss);
// Writes dp.
LAMELLA_API lamella_status lamella_hinge_backward_f32(const lamella_f32* p, const lamella_f32* y, const lamella_f32* dloss,
        const lamella_f32* dp);
LAMELLA_API lamella_status lamella_hinge_backward_f64(const lamella_f64* p, const lamella_f64* y, const lamella_f64* dloss,
        const lamella_f64* dp);
// Writes loss.
LAMELLA_API lamella_status lamella_squared_hinge_forward_f32(const lamella_f32* p, const lamella_f32* y,
        const lamella_f32* loss);
LAMELLA_API lamella_status lamella_squared_hinge_forward_f64(const lamella_f64* p, const lamella_f64* y,
        const lamella_f64* loss);
// Writes dp.
LAMELLA_API lamella_status lamella_squared_hinge_backward_f32(const lamella_f32* p, const lamella_f32* y,
        const lamella_f32* dloss, const lamella_f32* dp);
LAMELLA_API lamella_status lamella_squared_hinge_backward_f64(const lamella_f64* p, const lamella_f64* y,
        const lamella_f64* dloss, const lamella_f64* dp);
// max(0, max over C of (1-y) p - sum(y p) + 1); equal maxima share the gradient.
// Writes loss.
LAMELLA_API lamella_status lamella_categorical_hinge_forward_f32(const lamella_f32* p, const lamella_f32* y,
        const lamella_f32* loss);
LAMELLA_API lamella_status lamella_categorical_hinge_forward_f64(const lamella_f64* p, const lamella_f64* y,
        const lamella_f64* loss);
// Writes dp.
LAMELLA_API lamella_status lamella_categorical_hinge_backward_f32(const lamella_f32* p, const lamella_f32* y,
        const lamella_f32* dloss, const lamella_f32* dp);
LAMELLA_API lamella_status lamella_categorical_hinge_backward_f64(const lamella_f64* p, const lamella_f64* y,
        const lamella_f64* dloss, const lamella_f64* dp);
// Writes dy.
LAMELLA_API lamella_status lamella_categorical_hinge_backward_target_f32(const lamella_f32* p, const lamella_f32* y,
        const lamella_f32* dloss, const lamella_f32* dy);
LAMELLA_API lamella_status lamella_categorical_hinge_backward_target_f64(const lamella_f64* p, const lamella_f64* y,
        const lamella_f64* dloss, const lamella_f64* dy);
// sum of y log(y / p), both clipped to [eps, 1]. The clip passes no gradient.
// Writes loss.
LAMELLA_API lamella_status lamella_kl_divergence_forward_f32(const lamella_f32* p, const lamella_f32* y, double eps,
        const lamella_f32* loss);
LAMELLA_API lamella_status lamella_kl_divergence_forward_f64(const lamella_f64* p, const lamella_f64* y, double eps,
        const lamella_f64* loss);
// Writes dp.
LAMELLA_API lamella_status lamella_kl_divergence_backward_f32(const lamella_f32* p, const lamella_f32* y,
        const lamella_f32* dloss, double eps, const lamella_f32* dp);
LAMELLA_API lamella_status lamella_kl_divergence_backward_f64(const lamella_f64* p, const lamella_f64* y,
        const lamella_f64* dloss, double eps, const lamella_f64* dp);
// Writes dy.
LAMELLA_API lamella_status lamella_kl_divergence_backward_target_f32(const lamella_f32* p, const lamella_f32* y,
        const lamella_f32* dloss, double eps, const lamella_f32* dy);
LAMELLA_API lamella_status lamella_kl_divergence_backward_target_f64(const lamella_f64* p, const lamella_f64* y,
        const lamella_f64* dloss, double eps, const lamella_f64* dy);
// -sum(p y) / sqrt(max(sum p p, 1e-12) max(sum y y, 1e-12)).
// Writes loss.
LAMELLA_API lamella_status lamella_cosine_forward_f32(const lamella_f32* p, const lamella_f32* y, const lamella_f32* loss);
LAMELLA_API lamella_status lamella_cosine_forward_f64(const lamella_f64* p, const lamella_f64* y, const lamella_f64* loss);
// Writes dp.
LAMELLA_API lamella_status lamella_cosine_backward_f32(const lamella_f32* p, const lamella_f32* y, const lamella_f32* dloss,
        const lamella_f32* dp);
LAMELLA_API lamella_status lamella_cosine_backward_f64(const lamella_f64* p, const lamella_f64* y, const lamella_f64* dloss,
        const lamella_f64* dp);
// Keras 2.2.5: q = p / sum(p), clipped to [eps, 1-eps]; loss = -sum(y * log q). The clip passes no gradient.
// Writes loss.
LAMELLA_API lamella_status lamella_categorical_crossentropy_forward_f32(const lamella_f32* p, const lamella_f32* y, double eps,
        const lamella_f32* loss);
LAMELLA_API lamella_status lamella_categorical_crossentropy_forward_f64(const lamella_f64* p, const lamella_f64* y, double eps,
        const lamella_f64* loss);
// Writes dp.
LAMELLA_API lamella_status lamella_categorical_crossentropy_backward_f32(const lamella_f32* p, const lamella_f32* y,
        const lamella_f32* dloss, double eps, const lamella_f32* dp);
LAMELLA_API lamella_status lamella_categorical_crossentropy_backward_f64(const lamella_f64* p, const lamella_f64* y,
        const lamella_f64* dloss, double eps, const lamella_f64* dp);
// The same with class labels [R], each must be in [0, C); p is clipped first and normalized after that.
// Writes loss.
LAMELLA_API lamella_status lamella_sparse_categorical_crossentropy_forward_f32(const lamella_f32* p, const lamella_i64* y,
        double eps, const lamella_f32* loss);
LAMELLA_API lamella_status lamella_sparse_categorical_crossentropy_forward_f64(const lamella_f64* p, const lamella_i64* y,
        double eps, const lamella_f64* loss);
// Writes dp.
LAMELLA_API lamella_status lamella_sparse_categorical_crossentropy_backward_f32(const lamella_f32* p, const lamella_i64* y,
        const lamella_f32* dloss, double eps, const lamella_f32* dp);
LAMELLA_API lamella_status lamella_sparse_categorical_crossentropy_backward_f64(const lamella_f64* p, const lamella_i64* y,
        const lamella_f64* dloss, double eps, const lamella_f64* dp);
// p clipped to [eps, 1-eps]; loss = mean over C of -(y log p + (1-y) log(1-p)).
// Writes loss.
LAMELLA_API lamella_status lamella_binary_crossentropy_forward_f32(const lamella_f32* p, const lamella_f32* y, double eps,
        const lamella_f32* loss);
LAMELLA_API lamella_status lamella_binary_crossentropy_forward_f64(const lamella_f64* p, const lamella_f64* y, double eps,
        const lamella_f64* loss);
// Writes dp.
LAMELLA_API lamella_status lamella_binary_crossentropy_backward_f32(const lamella_f32* p, const lamella_f32* y,
        const lamella_f32* dloss, double eps, const lamella_f32* dp);
LAMELLA_API lamella_status lamella_binary_crossentropy_backward_f64(const lamella_f64* p, const lamella_f64* y,
        const lamella_f64* dloss, double eps, const lamella_f64* dp);
// From logits z [R, C]: forward also writes p = softmax(z) or sigmoid(z), from which backward computes dz.
// Writes p, loss.
LAMELLA_API lamella_status lamella_softmax_crossentropy_forward_f32(const lamella_f32* z, const lamella_f32* y,
        const lamella_f32* p, const lamella_f32* loss);
LAMELLA_API lamella_status lamella_softmax_crossentropy_forward_f64(const lamella_f64* z, const lamella_f64* y,
        const lamella_f64* p, const lamella_f64* loss);
// Writes dz.
LAMELLA_API lamella_status lamella_softmax_crossentropy_backward_f32(const lamella_f32* p, const lamella_f32* y,
        const lamella_f32* dloss, const lamella_f32* dz);
LAMELLA_API lamella_status lamella_softmax_crossentropy_backward_f64(const lamella_f64* p, const lamella_f64* y,
        const lamella_f64* dloss, const lamella_f64* dz);
// Writes p, loss.
LAMELLA_API lamella_status lamella_sparse_softmax_crossentropy_forward_f32(const lamella_f32* z, const lamella_i64* y,
        const lamella_f32* p, const lamella_f32* loss);
LAMELLA_API lamella_status lamella_sparse_softmax_crossentropy_forward_f64(const lamella_f64* z, const lamella_i64* y,
        const lamella_f64* p, const lamella_f64* loss);
// Writes dz.
LAMELLA_API lamella_status lamella_sparse_softmax_crossentropy_backward_f32(const lamella_f32* p, const lamella_i64* y,
        const lamella_f32* dloss, const lamella_f32* dz);
LAMELLA_API lamella_status lamella_sparse_softmax_crossentropy_backward_f64(const lamella_f64* p, const lamella_i64* y,
        const lamella_f64* dloss, const lamella_f64* dz);
// Writes p, loss.
LAMELLA_API lamella_status lamella_sigmoid_crossentropy_forward_f32(const lamella_f32* z, const lamella_f32* y,
        const lamella_f32* p, const lamella_f32* loss);
LAMELLA_API lamella_status lamella_sigmoid_crossentropy_forward_f64(const lamella_f64* z, const lamella_f64* y,
        const lamella_f64* p, const lamella_f64* loss);
// Writes dz.
LAMELLA_API lamella_status lamella_sigmoid_crossentropy_backward_f32(const lamella_f32* p, const lamella_f32* y,
        const lamella_f32* dloss, const lamella_f32* dz);
LAMELLA_API lamella_status lamella_sigmoid_crossentropy_backward_f64(const lamella_f64* p, const lamella_f64* y,
        const lamella_f64* dloss, const lamella_f64* dz);

// --- dense: x [M, K], w [K, N], bias [N] or absent, y [M, N] ---------------------------------------------
// y = x w + bias, then max(y, 0) if relu.
// Writes y.
LAMELLA_API lamella_status lamella_dense_forward_f32(const lamella_f32* x, const lamella_f32* w, const lamella_f32* bias,
        int64_t relu, const lamella_f32* y);
LAMELLA_API lamella_status lamella_dense_forward_f64(const lamella_f64* x, const lamella_f64* w, const lamella_f64* bias,
        int64_t relu, const lamella_f64* y);
// With relu: dz = dy where y > 0, 0 elsewhere. Without relu y and dz are absent, and dz below is dy. dx = dz w^T; dw = x^T dz;
// dbias = column sums of dz. Each of the three may be absent.
// Writes dz, dx, dw, dbias.
LAMELLA_API lamella_status lamella_dense_backward_f32(const lamella_f32* x, const lamella_f32* w, const lamella_f32* y,
        const lamella_f32* dy, const lamella_f32* dz, const lamella_f32* dx, const lamella_f32* dw, const lamella_f32* dbias);
LAMELLA_API lamella_status lamella_dense_backward_f64(const lamella_f64* x, const lamella_f64* w, const lamella_f64* y,
        const lamella_f64* dy, const lamella_f64* dz, const lamella_f64* dx, const lamella_f64* dw, const lamella_f64* dbias);
// --- matmul: a [B, M, K], b [B, K, N], y [B, M, N] -------------------------------------------------------
// y_i = a_i b_i for each i of the batch. A transposed factor is [B, K, M] or [B, N, K].
// Writes y.
LAMELLA_API lamella_status lamella_matmul_f32(const lamella_f32* a, const lamella_f32* b, int64_t transposed_a,
        int64_t transposed_b, const lamella_f32* y);
LAMELLA_API lamella_status lamella_matmul_f64(const lamella_f64* a, const lamella_f64* b, int64_t transposed_a,
        int64_t transposed_b, const lamella_f64* y);
// --- convolution on 1 to 3 axes: x [N, ..., C], w [..., C, K], bias [K] or absent, y [N, ..., K] ----------
// The window has the sizes of w; the padding after the last element follows from y. y = sum x w + bias, then max(y, 0) if relu.
// Writes y.
LAMELLA_API lamella_status lamella_conv_forward_f32(const lamella_f32* x, const lamella_f32* w, const lamella_f32* bias,
        const lamella_window* window, int64_t relu, const lamella_f32* y);
LAMELLA_API lamella_status lamella_conv_forward_f64(const lamella_f64* x, const lamella_f64* w, const lamella_f64* bias,
        const lamella_window* window, int64_t relu, const lamella_f64* y);
// Writes dx.
LAMELLA_API lamella_status lamella_conv_backward_input_f32(const lamella_f32* dy, const lamella_f32* w,
        const lamella_window* window, const lamella_f32* dx);
LAMELLA_API lamella_status lamella_conv_backward_input_f64(const lamella_f64* dy, const lamella_f64* w,
        const lamella_window* window, const lamella_f64* dx);
// Writes dweights, dbias.
LAMELLA_API lamella_status lamella_conv_backward_weights_f32(const lamella_f32* x, const lamella_f32* dy,
        const lamella_window* window, const lamella_f32* dweights, const lamella_f32* dbias);
LAMELLA_API lamella_status lamella_conv_backward_weights_f64(const lamella_f64* x, const lamella_f64* dy,
        const lamella_window* window, const lamella_f64* dweights, const lamella_f64* dbias);
// --- local convolution on 1 or 2 axes: x [N, ..., C], w [P, K, F], bias [P*F] or absent, y [N, ..., F] -----
// P windows inside x, row by row, each with its own weights. K = C times the elements of the window, in the order
// [window, C], or with channels_first [C, window]. y = sum x w + bias. dw and dbias have the shapes of w and bias; dbias may be
// absent.
// Writes y.
LAMELLA_API lamella_status lamella_local_conv_forward_f32(const lamella_f32* x, const lamella_f32* w, const lamella_f32* bias,
        const lamella_window* window, int64_t channels_first, const lamella_f32* y);
LAMELLA_API lamella_status lamella_local_conv_forward_f64(const lamella_f64* x, const lamella_f64* w, const lamella_f64* bias,
        const lamella_window* window, int64_t channels_first, const lamella_f64* y);
// Writes dx.
LAMELLA_API lamella_status lamella_local_conv_backward_input_f32(const lamella_f32* dy, const lamella_f32* w,
        const lamella_window* window, int64_t channels_first, const lamella_f32* dx);
LAMELLA_API lamella_status lamella_local_conv_backward_input_f64(const lamella_f64* dy, const lamella_f64* w,
        const lamella_window* window, int64_t channels_first, const lamella_f64* dx);
// Writes dw, dbias.
LAMELLA_API lamella_status lamella_local_conv_backward_weights_f32(const lamella_f32* x, const lamella_f32* dy,
        const lamella_window* window, int64_t channels_first, const lamella_f32* dw, const lamella_f32* dbias);
LAMELLA_API lamella_status lamella_local_conv_backward_weights_f64(const lamella_f64* x, const lamella_f64* dy,
        const lamella_window* window, int64_t channels_first, const lamella_f64* dw, const lamella_f64* dbias);

// --- pooling on 1 to 3 axes: x [N, ..., C], y [N, ..., C]; the window's dilation is 1 ---------------------
// Padding is never a maximum and is not counted in a mean. argmax: index in the window, in C order, of the first maximum (NaN
// counts as the largest value); a window has at most 256 elements. Every window must cover an element of x.
// With relu y = max(maximum, 0), and argmax is 255, which is no index, where y is not positive: then backward also passes no
// gradient there, as relu's would. Such a window has at most 255 elements.
// Writes y, argmax.
LAMELLA_API lamella_status lamella_max_pool_forward_f32(const lamella_f32* x, const lamella_window* window, int64_t relu,
        const lamella_f32* y, const lamella_u8* argmax);
LAMELLA_API lamella_status lamella_max_pool_forward_f64(const lamella_f64* x, const lamella_window* window, int64_t relu,
        const lamella_f64* y, const lamella_u8* argmax);
// Writes dx.
LAMELLA_API lamella_status lamella_max_pool_backward_f32(const lamella_f32* dy, const lamella_u8* argmax,
        const lamella_window* window, const lamella_f32* dx);
LAMELLA_API lamella_status lamella_max_pool_backward_f64(const lamella_f64* dy, const lamella_u8* argmax,
        const lamella_window* window, const lamella_f64* dx);
// Writes y.
LAMELLA_API lamella_status lamella_avg_pool_forward_f32(const lamella_f32* x, const lamella_window* window,
        const lamella_f32* y);
LAMELLA_API lamella_status lamella_avg_pool_forward_f64(const lamella_f64* x, const lamella_window* window,
        const lamella_f64* y);
// Writes dx.
LAMELLA_API lamella_status lamella_avg_pool_backward_f32(const lamella_f32* dy, const lamella_window* window,
        const lamella_f32* dx);
LAMELLA_API lamella_status lamella_avg_pool_backward_f64(const lamella_f64* dy, const lamella_window* window,
        const lamella_f64* dx);
// x [N, S, C] over S: y [N, C]; argmax [N, C] of int64 is the index in S of the first maximum.
// Writes y.
LAMELLA_API lamella_status lamella_global_avg_pool_forward_f32(const lamella_f32* x, const lamella_f32* y);
LAMELLA_API lamella_status lamella_global_avg_pool_forward_f64(const lamella_f64* x, const lamella_f64* y);
// Writes dx.
LAMELLA_API lamella_status lamella_global_avg_pool_backward_f32(const lamella_f32* dy, const lamella_f32* dx);
LAMELLA_API lamella_status lamella_global_avg_pool_backward_f64(const lamella_f64* dy, const lamella_f64* dx);
// Writes y, argmax.
LAMELLA_API lamella_status lamella_global_max_pool_forward_f32(const lamella_f32* x, const lamella_f32* y,
        const lamella_i64* argmax);
LAMELLA_API lamella_status lamella_global_max_pool_forward_f64(const lamella_f64* x, const lamella_f64* y,
        const lamella_i64* argmax);
// Writes dx.
LAMELLA_API lamella_status lamella_global_max_pool_backward_f32(const lamella_f32* dy, const lamella_i64* argmax,
        const lamella_f32* dx);
LAMELLA_API lamella_status lamella_global_max_pool_backward_f64(const lamella_f64* dy, const lamella_i64* argmax,
        const lamella_f64* dx);
// --- depthwise convolution on 1 to 3 axes: x [N, ..., C], w [..., C, M], bias [C*M] or absent, y [N, ..., C*M] ---
// The window has the sizes of w; the padding after the last element follows from y. y[c*M + m] = sum x[c] w[c][m] + bias, then
// max(y, 0) if relu.
// Writes y.
LAMELLA_API lamella_status lamella_depthwise_conv_forward_f32(const lamella_f32* x, const lamella_f32* w,
        const lamella_f32* bias, const lamella_window* window, int64_t relu, const lamella_f32* y);
LAMELLA_API lamella_status lamella_depthwise_conv_forward_f64(const lamella_f64* x, const lamella_f64* w,
        const lamella_f64* bias, const lamella_window* window, int64_t relu, const lamella_f64* y);
// Writes dx.
LAMELLA_API lamella_status lamella_depthwise_conv_backward_input_f32(const lamella_f32* dy, const lamella_f32* w,
        const lamella_window* window, const lamella_f32* dx);
LAMELLA_API lamella_status lamella_depthwise_conv_backward_input_f64(const lamella_f64* dy, const lamella_f64* w,
        const lamella_window* window, const lamella_f64* dx);
// Writes dweights, dbias.
LAMELLA_API lamella_status lamella_depthwise_conv_backward_weights_f32(const lamella_f32* x, const lamella_f32* dy,
        const lamella_window* window, const lamella_f32* dweights, const lamella_f32* dbias);
LAMELLA_API lamella_status lamella_depthwise_conv_backward_weights_f64(const lamella_f64* x, const lamella_f64* dy,
        const lamella_window* window, const lamella_f64* dweights, const lamella_f64* dbias);

// --- batch norm: x [R, C] over rows; gamma, beta [C] or absent; mean, var [C] (var: biased) --------------
// Writes y, mean, var.
LAMELLA_API lamella_status lamella_batch_norm_forward_f32(const lamella_f32* x, const lamella_f32* gamma,
        const lamella_f32* beta, double eps, const lamella_f32* y, const lamella_f32* mean, const lamella_f32* var);
LAMELLA_API lamella_status lamella_batch_norm_forward_f64(const lamella_f64* x, const lamella_f64* gamma,
        const lamella_f64* beta, double eps, const lamella_f64* y, const lamella_f64* mean, const lamella_f64* var);
// Writes dx, dgamma, dbeta; in place: dx.
LAMELLA_API lamella_status lamella_batch_norm_backward_f32(const lamella_f32* x, const lamella_f32* dy,
        const lamella_f32* gamma, const lamella_f32* mean, const lamella_f32* var, double eps, const lamella_f32* dx,
        const lamella_f32* dgamma, const lamella_f32* dbeta);
LAMELLA_API lamella_status lamella_batch_norm_backward_f64(const lamella_f64* x, const lamella_f64* dy,
        const lamella_f64* gamma, const lamella_f64* mean, const lamella_f64* var, double eps, const lamella_f64* dx,
        const lamella_f64* dgamma, const lamella_f64* dbeta);
// The same followed by relu_forward with this max_value; the bits are the same as in two calls.
// Writes y, mean, var.
LAMELLA_API lamella_status lamella_batch_norm_relu_forward_f32(const lamella_f32* x, const lamella_f32* gamma,
        const lamella_f32* beta, double eps, double max_value, const lamella_f32* y, const lamella_f32* mean,
        const lamella_f32* var);
LAMELLA_API lamella_status lamella_batch_norm_relu_forward_f64(const lamella_f64* x, const lamella_f64* gamma,
        const lamella_f64* beta, double eps, double max_value, const lamella_f64* y, const lamella_f64* mean,
        const lamella_f64* var);
// Writes dx, dgamma, dbeta; in place: dx.
LAMELLA_API lamella_status lamella_batch_norm_relu_backward_f32(const lamella_f32* x, const lamella_f32* dy,
        const lamella_f32* gamma, const lamella_f32* beta, const lamella_f32* mean, const lamella_f32* var, double eps,
        double max_value, const lamella_f32* dx, const lamella_f32* dgamma, const lamella_f32* dbeta);
LAMELLA_API lamella_status lamella_batch_norm_relu_backward_f64(const lamella_f64* x, const lamella_f64* dy,
        const lamella_f64* gamma, const lamella_f64* beta, const lamella_f64* mean, const lamella_f64* var, double eps,
        double max_value, const lamella_f64* dx, const lamella_f64* dgamma, const lamella_f64* dbeta);
// y = (x - mean) / sqrt(var + eps) * gamma + beta with given statistics.
// Writes y.
LAMELLA_API lamella_status lamella_batch_norm_inference_f32(const lamella_f32* x, const lamella_f32* gamma,
        const lamella_f32* beta, const lamella_f32* mean, const lamella_f32* var, double eps, const lamella_f32* y);
LAMELLA_API lamella_status lamella_batch_norm_inference_f64(const lamella_f64* x, const lamella_f64* gamma,
        const lamella_f64* beta, const lamella_f64* mean, const lamella_f64* var, double eps, const lamella_f64* y);
// The same followed by relu_forward with this max_value.
// Writes y.
LAMELLA_API lamella_status lamella_batch_norm_relu_inference_f32(const lamella_f32* x, const lamella_f32* gamma,
        const lamella_f32* beta, const lamella_f32* mean, const lamella_f32* var, double eps, double max_value,
        const lamella_f32* y);
LAMELLA_API lamella_status lamella_batch_norm_relu_inference_f64(const lamella_f64* x, const lamella_f64* gamma,
        const lamella_f64* beta, const lamella_f64* mean, const lamella_f64* var, double eps, double max_value,
        const lamella_f64* y);

// --- recurrent layers: x [N, T, F], U units; RecurrentLayer and RecurrentGradients are in table/bundles.def. The bias has
// gates*U numbers, or is absent. States h0, c0 ... [N, U]. Activations: 0 linear, 1 relu, 2 tanh, 3 sigmoid, 4 hard_sigmoid.
// outputs [N, T, U], or [N, 1, U] for the last one, in the order of computation. Forward also writes, in an order that only the
// kernels know, arrays that backward reads: the gates [N, T, gates*U], previous (h before each step) and the other arrays
// [N, T, U]. Each may be absent.
// Backward: doutputs and the gradients dh, dc of the states may be absent. dgates is the gradient of the gates' sums. An array
// that is written in place must be neither previous nor doutputs.
// LSTM, gates i f g o: c' = f c + i g, h' = o act(c'); cells is c before each step.
// Writes gates, previous, cells, outputs, h, c.
LAMELLA_API lamella_status lamella_lstm_forward_f32(const lamella_f32* x, const lamella_recurrent_layer_f32* layer,
        int64_t activation, int64_t recurrent_activation, const lamella_f32* bias, const lamella_f32* h0, const lamella_f32* c0,
        const lamella_f32* gates, const lamella_f32* previous, const lamella_f32* cells, const lamella_f32* outputs,
        const lamella_f32* h, const lamella_f32* c);
LAMELLA_API lamella_status lamella_lstm_forward_f64(const lamella_f64* x, const lamella_recurrent_layer_f64* layer,
        int64_t activation, int64_t recurrent_activation, const lamella_f64* bias, const lamella_f64* h0, const lamella_f64* c0,
        const lamella_f64* gates, const lamella_f64* previous, const lamella_f64* cells, const lamella_f64* outputs,
        const lamella_f64* h, const lamella_f64* c);
// Writes dgates, gradients, dc0; in place: dgates.
LAMELLA_API lamella_status lamella_lstm_backward_f32(const lamella_f32* x, const lamella_recurrent_layer_f32* layer,
        int64_t activation, int64_t recurrent_activation, const lamella_f32* gates, const lamella_f32* previous,
        const lamella_f32* cells, const lamella_f32* doutputs, const lamella_f32* dh, const lamella_f32* dc,
        const lamella_f32* dgates, const lamella_recurrent_gradients_f32* gradients, const lamella_f32* dc0);
LAMELLA_API lamella_status lamella_lstm_backward_f64(const lamella_f64* x, const lamella_recurrent_layer_f64* layer,
        int64_t activation, int64_t recurrent_activation, const lamella_f64* gates, const lamella_f64* previous,
        const lamella_f64* cells, const lamella_f64* doutputs, const lamella_f64* dh, const lamella_f64* dc,
        const lamella_f64* dgates, const lamella_recurrent_gradients_f64* gradients, const lamella_f64* dc0);
// One step from the gates' sums of_x + of_h [..., 4U], and c [..., U]. gates (i f g o, for backward) may be absent in forward; dh
// and dnew_c, the gradients of new_h and new_c, may be absent in backward. dsums is the gradient of of_x and of of_h.
// Writes gates, new_h, new_c.
LAMELLA_API lamella_status lamella_lstm_step_forward_f32(const lamella_f32* of_x, const lamella_f32* of_h, const lamella_f32* c,
        int64_t activation, int64_t recurrent_activation, const lamella_f32* gates, const lamella_f32* new_h,
        const lamella_f32* new_c);
LAMELLA_API lamella_status lamella_lstm_step_forward_f64(const lamella_f64* of_x, const lamella_f64* of_h, const lamella_f64* c,
        int64_t activation, int64_t recurrent_activation, const lamella_f64* gates, const lamella_f64* new_h,
        const lamella_f64* new_c);
// Writes dsums, dc; in place: dsums.
LAMELLA_API lamella_status lamella_lstm_step_backward_f32(const lamella_f32* gates, const lamella_f32* c,
        const lamella_f32* new_c, int64_t activation, int64_t recurrent_activation, const lamella_f32* dh,
        const lamella_f32* dnew_c, const lamella_f32* dsums, const lamella_f32* dc);
LAMELLA_API lamella_status lamella_lstm_step_backward_f64(const lamella_f64* gates, const lamella_f64* c,
        const lamella_f64* new_c, int64_t activation, int64_t recurrent_activation, const lamella_f64* dh,
        const lamella_f64* dnew_c, const lamella_f64* dsums, const lamella_f64* dc);
// GRU, gates z r n: h' = z h + (1-z) n; n = act(x K + b + (r h) R), inner is r h. reset_after: n = act(x K + b + r q),
// q = h R + b', inner is q; bias is b and then b' [2, 3U], z and r add both; dinner is the gradient of q. Without reset_after
// dinner is absent.
// Writes gates, previous, inner, outputs, h.
LAMELLA_API lamella_status lamella_gru_forward_f32(const lamella_f32* x, const lamella_recurrent_layer_f32* layer,
        int64_t activation, int64_t recurrent_activation, int64_t reset_after, const lamella_f32* bias, const lamella_f32* h0,
        const lamella_f32* gates, const lamella_f32* previous, const lamella_f32* inner, const lamella_f32* outputs,
        const lamella_f32* h);
LAMELLA_API lamella_status lamella_gru_forward_f64(const lamella_f64* x, const lamella_recurrent_layer_f64* layer,
        int64_t activation, int64_t recurrent_activation, int64_t reset_after, const lamella_f64* bias, const lamella_f64* h0,
        const lamella_f64* gates, const lamella_f64* previous, const lamella_f64* inner, const lamella_f64* outputs,
        const lamella_f64* h);
// Writes dgates, dinner, gradients; in place: dgates, dinner.
LAMELLA_API lamella_status lamella_gru_backward_f32(const lamella_f32* x, const lamella_recurrent_layer_f32* layer,
        int64_t activation, int64_t recurrent_activation, int64_t reset_after, const lamella_f32* gates,
        const lamella_f32* previous, const lamella_f32* inner, const lamella_f32* doutputs, const lamella_f32* dh,
        const lamella_f32* dgates, const lamella_f32* dinner, const lamella_recurrent_gradients_f32* gradients);
LAMELLA_API lamella_status lamella_gru_backward_f64(const lamella_f64* x, const lamella_recurrent_layer_f64* layer,
        int64_t activation, int64_t recurrent_activation, int64_t reset_after, const lamella_f64* gates,
        const lamella_f64* previous, const lamella_f64* inner, const lamella_f64* doutputs, const lamella_f64* dh,
        const lamella_f64* dgates, const lamella_f64* dinner, const lamella_recurrent_gradients_f64* gradients);
// Simple: h' = act(x K + b + h R); states is h' of each step, or absent.
// Writes states, previous, outputs, h.
LAMELLA_API lamella_status lamella_simple_rnn_forward_f32(const lamella_f32* x, const lamella_recurrent_layer_f32* layer,
        int64_t activation, const lamella_f32* bias, const lamella_f32* h0, const lamella_f32* states,
        const lamella_f32* previous, const lamella_f32* outputs, const lamella_f32* h);
LAMELLA_API lamella_status lamella_simple_rnn_forward_f64(const lamella_f64* x, const lamella_recurrent_layer_f64* layer,
        int64_t activation, const lamella_f64* bias, const lamella_f64* h0, const lamella_f64* states,
        const lamella_f64* previous, const lamella_f64* outputs, const lamella_f64* h);
// Writes dstates, gradients; in place: dstates.
LAMELLA_API lamella_status lamella_simple_rnn_backward_f32(const lamella_f32* x, const lamella_recurrent_layer_f32* layer,
        int64_t activation, const lamella_f32* states, const lamella_f32* previous, const lamella_f32* doutputs,
        const lamella_f32* dh, const lamella_f32* dstates, const lamella_recurrent_gradients_f32* gradients);
LAMELLA_API lamella_status lamella_simple_rnn_backward_f64(const lamella_f64* x, const lamella_recurrent_layer_f64* layer,
        int64_t activation, const lamella_f64* states, const lamella_f64* previous, const lamella_f64* doutputs,
        const lamella_f64* dh, const lamella_f64* dstates, const lamella_recurrent_gradients_f64* gradients);

// --- gather: x, dx [R, C]; rows [N], each must be in [0, R); y, dy [N, C] ----------------------------------
// y[i] = x[rows[i]].
// Writes y.
LAMELLA_API lamella_status lamella_take_forward_f32(const lamella_f32* x, const lamella_i64* rows, const lamella_f32* y);
LAMELLA_API lamella_status lamella_take_forward_f64(const lamella_f64* x, const lamella_i64* rows, const lamella_f64* y);
// dx[r] is the sum of dy[i] over all i with rows[i] = r, in order of i; 0 if there is no such i.
// Writes dx.
LAMELLA_API lamella_status lamella_take_backward_f32(const lamella_f32* dy, const lamella_i64* rows, const lamella_f32* dx);
LAMELLA_API lamella_status lamella_take_backward_f64(const lamella_f64* dy, const lamella_i64* rows, const lamella_f64* dx);
// tables[k][rows[i]] = ys[k][i]; their other rows stay. tables[k] [R, C] and ys[k] [N, C], C of their own for each k; rows ascend
// and are distinct.
// Writes tables.
LAMELLA_API lamella_status lamella_put_rows_f32(const lamella_f32_list* ys, const lamella_i64* rows,
        const lamella_f32_list* tables);
LAMELLA_API lamella_status lamella_put_rows_f64(const lamella_f64_list* ys, const lamella_i64* rows,
        const lamella_f64_list* tables);
// --- copies ------------------------------------------------------------------------------------------------
// y[i, j, ...] = x[offset + i * strides[0] + j * strides[1] + ...], where x's elements are counted in their order in memory. One
// stride for each axis of y; strides may be 0 or negative. x has all these elements.
// Writes y.
LAMELLA_API lamella_status lamella_strided_copy_f32(const lamella_f32* x, int64_t offset, const lamella_i64* strides,
        const lamella_f32* y);
LAMELLA_API lamella_status lamella_strided_copy_f64(const lamella_f64* x, int64_t offset, const lamella_i64* strides,
        const lamella_f64* y);
// y is `before` plus these elements. y may be before, not x.
// Writes y; in place: y.
LAMELLA_API lamella_status lamella_strided_add_f32(const lamella_f32* x, int64_t offset, const lamella_i64* strides,
        const lamella_f32* before, const lamella_f32* y);
LAMELLA_API lamella_status lamella_strided_add_f64(const lamella_f64* x, int64_t offset, const lamella_i64* strides,
        const lamella_f64* before, const lamella_f64* y);
// y [N, P, Q, C] is x [N, H, W, C] with zeros around its rows and columns; x begins at row `top` and column `left`.
// Writes y.
LAMELLA_API lamella_status lamella_pad_f32(const lamella_f32* x, int64_t top, int64_t left, const lamella_f32* y);
LAMELLA_API lamella_status lamella_pad_f64(const lamella_f64* x, int64_t top, int64_t left, const lamella_f64* y);
// y [rows, C] is the arrays xs, each [rows, its own columns], side by side; all of any shape with these elements.
// Writes y.
LAMELLA_API lamella_status lamella_concatenate_f32(const lamella_f32_list* xs, int64_t rows, const lamella_f32* y);
LAMELLA_API lamella_status lamella_concatenate_f64(const lamella_f64_list* xs, int64_t rows, const lamella_f64* y);
// --- places in between: x, dx [N, H, W, C]; y, dy [N, P, Q, C] ---------------------------------------------
// z[p, j] is between the rows r = rows[p] and r + 1 of x: x[r, j] + (x[r + 1, j] - x[r, j]) * row_weights[p]; x[r, j] if the weight
// is 0, which it must be in the last row. y[p, q] is in the same way between columns of z, but columns are computed first.
// Writes y.
LAMELLA_API lamella_status lamella_resize_forward_f32(const lamella_f32* x, const lamella_i64* rows,
        const lamella_f64* row_weights, const lamella_i64* columns, const lamella_f64* column_weights, const lamella_f32* y);
LAMELLA_API lamella_status lamella_resize_forward_f64(const lamella_f64* x, const lamella_i64* rows,
        const lamella_f64* row_weights, const lamella_i64* columns, const lamella_f64* column_weights, const lamella_f64* y);
// Writes dx.
LAMELLA_API lamella_status lamella_resize_backward_f32(const lamella_f32* dy, const lamella_i64* rows,
        const lamella_f64* row_weights, const lamella_i64* columns, const lamella_f64* column_weights, const lamella_f32* dx);
LAMELLA_API lamella_status lamella_resize_backward_f64(const lamella_f64* dy, const lamella_i64* rows,
        const lamella_f64* row_weights, const lamella_i64* columns, const lamella_f64* column_weights, const lamella_f64* dx);

// --- images: x is N images [H, W, C], which may have different sizes; y [N, P, Q, C] ------------------------------------
// The steps for each image, in this order; absent arrays (of size 0) are left out:
//   matrices [N, 2, 3]: y[p, q] is x at the position m[:, 0] p + m[:, 1] q + m[:, 2], as in scipy.ndimage.affine_transform.
//     order: 0 is the nearest pixel, 1 linear, 3 the cubic spline. fill, for positions outside of x: 0 is nearest, 1 constant
//     (cval), 2 reflect, 3 wrap, with the same meaning as in SciPy.
//   shifts [N]: v + shift, clipped to the image's smallest and largest v.
//   flips [N, 2], 1 means yes: rows, columns in reverse.
//   brightness [N]: v * factor, at most `white`; a v above `white` does not increase.
//   standard: Standardization of table/bundles.def.
// Order 3 is computed in float64; positions are computed in float64 for every order.
// Writes y.
LAMELLA_API lamella_status lamella_augment_images_f32(const lamella_f32_list* x, const lamella_f64* matrices, int64_t order,
        int64_t fill, double cval, const lamella_f64* shifts, const lamella_u8* flips, const lamella_f64* brightness,
        double white, const lamella_standardization_f32* standard, const lamella_f32* y);
LAMELLA_API lamella_status lamella_augment_images_f64(const lamella_f64_list* x, const lamella_f64* matrices, int64_t order,
        int64_t fill, double cval, const lamella_f64* shifts, const lamella_u8* flips, const lamella_f64* brightness,
        double white, const lamella_standardization_f64* standard, const lamella_f64* y);
// The same for images of type uint8.
// Writes y.
LAMELLA_API lamella_status lamella_augment_bytes_f32(const lamella_u8_list* x, const lamella_f64* matrices, int64_t order,
        int64_t fill, double cval, const lamella_f64* shifts, const lamella_u8* flips, const lamella_f64* brightness,
        double white, const lamella_standardization_f32* standard, const lamella_f32* y);
LAMELLA_API lamella_status lamella_augment_bytes_f64(const lamella_u8_list* x, const lamella_f64* matrices, int64_t order,
        int64_t fill, double cval, const lamella_f64* shifts, const lamella_u8* flips, const lamella_f64* brightness,
        double white, const lamella_standardization_f64* standard, const lamella_f64* y);
// Only the last of these steps: x, y [N, P, Q, C].
// Writes y; in place: y.
LAMELLA_API lamella_status lamella_standardize_images_f32(const lamella_f32* x, const lamella_standardization_f32* standard,
        const lamella_f32* y);
LAMELLA_API lamella_status lamella_standardize_images_f64(const lamella_f64* x, const lamella_standardization_f64* standard,
        const lamella_f64* y);

// --- optimizers: lists of arrays with equal shapes, all updated in one call. g is a gradient to which `bounds` was applied.
// Formulas: Keras 2.2.5; centered_rmsprop, momentum_rmsprop and ftrl: TensorFlow 2; torch_*: torch 2.13.
// sums = first ? gs : sums + gs.
// Writes sums.
LAMELLA_API lamella_status lamella_accumulate_gradients_f32(const lamella_f32_list* sums, const lamella_f32_list* gs,
        int64_t first);
LAMELLA_API lamella_status lamella_accumulate_gradients_f64(const lamella_f64_list* sums, const lamella_f64_list* gs,
        int64_t first);
// v = momentum*m - lr*g; m = v; p += nesterov ? momentum*v - lr*g : v. Without momentum ms may be empty; the bits are the same.
// Writes ps, ms.
LAMELLA_API lamella_status lamella_sgd_update_f32(const lamella_f32_list* ps, const lamella_f32_list* gs,
        const lamella_f32_list* ms, double lr, double momentum, int64_t nesterov, const lamella_bounds_f32* bounds);
LAMELLA_API lamella_status lamella_sgd_update_f64(const lamella_f64_list* ps, const lamella_f64_list* gs,
        const lamella_f64_list* ms, double lr, double momentum, int64_t nesterov, const lamella_bounds_f64* bounds);
// a += g*g; p -= lr * g / (sqrt(a) + eps).
// Writes ps, as_.
LAMELLA_API lamella_status lamella_adagrad_update_f32(const lamella_f32_list* ps, const lamella_f32_list* gs,
        const lamella_f32_list* as, double lr, double eps, const lamella_bounds_f32* bounds);
LAMELLA_API lamella_status lamella_adagrad_update_f64(const lamella_f64_list* ps, const lamella_f64_list* gs,
        const lamella_f64_list* as, double lr, double eps, const lamella_bounds_f64* bounds);
// a = rho*a + (1-rho)*g*g; p -= lr * g / (sqrt(a) + eps).
// Writes ps, as_.
LAMELLA_API lamella_status lamella_rmsprop_update_f32(const lamella_f32_list* ps, const lamella_f32_list* gs,
        const lamella_f32_list* as, double lr, double rho, double eps, const lamella_bounds_f32* bounds);
LAMELLA_API lamella_status lamella_rmsprop_update_f64(const lamella_f64_list* ps, const lamella_f64_list* gs,
        const lamella_f64_list* as, double lr, double rho, double eps, const lamella_bounds_f64* bounds);
// a = rho*a + (1-rho)*g*g; c = rho*c + (1-rho)*g; p -= lr * g / (sqrt(max(a - c*c, 0)) + eps).
// Writes ps, as_, cs.
LAMELLA_API lamella_status lamella_centered_rmsprop_update_f32(const lamella_f32_list* ps, const lamella_f32_list* gs,
        const lamella_f32_list* as, const lamella_f32_list* cs, double lr, double rho, double eps,
        const lamella_bounds_f32* bounds);
LAMELLA_API lamella_status lamella_centered_rmsprop_update_f64(const lamella_f64_list* ps, const lamella_f64_list* gs,
        const lamella_f64_list* as, const lamella_f64_list* cs, double lr, double rho, double eps,
        const lamella_bounds_f64* bounds);
// a and c as above, without cs c = 0; m = momentum*m + lr * g / sqrt(max(a - c*c, 0) + eps); p -= m.
// Writes ps, as_, ms, cs.
LAMELLA_API lamella_status lamella_momentum_rmsprop_update_f32(const lamella_f32_list* ps, const lamella_f32_list* gs,
        const lamella_f32_list* as, const lamella_f32_list* ms, const lamella_f32_list* cs, double lr, double rho,
        double momentum, double eps, const lamella_bounds_f32* bounds);
LAMELLA_API lamella_status lamella_momentum_rmsprop_update_f64(const lamella_f64_list* ps, const lamella_f64_list* gs,
        const lamella_f64_list* as, const lamella_f64_list* ms, const lamella_f64_list* cs, double lr, double rho,
        double momentum, double eps, const lamella_bounds_f64* bounds);
// a = rho*a + (1-rho)*g*g; u = g * sqrt((d + eps) / (a + eps)); d = rho*d + (1-rho)*u*u; p -= lr * u.
// Writes ps, as_, ds.
LAMELLA_API lamella_status lamella_adadelta_update_f32(const lamella_f32_list* ps, const lamella_f32_list* gs,
        const lamella_f32_list* as, const lamella_f32_list* ds, double lr, double rho, double eps,
        const lamella_bounds_f32* bounds);
LAMELLA_API lamella_status lamella_adadelta_update_f64(const lamella_f64_list* ps, const lamella_f64_list* gs,
        const lamella_f64_list* as, const lamella_f64_list* ds, double lr, double rho, double eps,
        const lamella_bounds_f64* bounds);
// m = b1*m + (1-b1)*g; v = b2*v + (1-b2)*g*g; p = (1-shrink)*p - lr * m / (sqrt(v) + eps); lr is already corrected for
// bias.
// Writes ps, ms, vs.
LAMELLA_API lamella_status lamella_adam_update_f32(const lamella_f32_list* ps, const lamella_f32_list* gs,
        const lamella_f32_list* ms, const lamella_f32_list* vs, double lr, double shrink, const lamella_moments_f32* moments,
        const lamella_bounds_f32* bounds);
LAMELLA_API lamella_status lamella_adam_update_f64(const lamella_f64_list* ps, const lamella_f64_list* gs,
        const lamella_f64_list* ms, const lamella_f64_list* vs, double lr, double shrink, const lamella_moments_f64* moments,
        const lamella_bounds_f64* bounds);
// The same with h = max(h, v) instead of v under the root.
// Writes ps, ms, vs, hs.
LAMELLA_API lamella_status lamella_amsgrad_update_f32(const lamella_f32_list* ps, const lamella_f32_list* gs,
        const lamella_f32_list* ms, const lamella_f32_list* vs, const lamella_f32_list* hs, double lr, double shrink,
        const lamella_moments_f32* moments, const lamella_bounds_f32* bounds);
LAMELLA_API lamella_status lamella_amsgrad_update_f64(const lamella_f64_list* ps, const lamella_f64_list* gs,
        const lamella_f64_list* ms, const lamella_f64_list* vs, const lamella_f64_list* hs, double lr, double shrink,
        const lamella_moments_f64* moments, const lamella_bounds_f64* bounds);
// m = b1*m + (1-b1)*g; u = max(b2*u, |g|); p -= lr * m / (u + eps); lr is already corrected for bias.
// Writes ps, ms, us.
LAMELLA_API lamella_status lamella_adamax_update_f32(const lamella_f32_list* ps, const lamella_f32_list* gs,
        const lamella_f32_list* ms, const lamella_f32_list* us, double lr, const lamella_moments_f32* moments,
        const lamella_bounds_f32* bounds);
LAMELLA_API lamella_status lamella_adamax_update_f64(const lamella_f64_list* ps, const lamella_f64_list* gs,
        const lamella_f64_list* ms, const lamella_f64_list* us, double lr, const lamella_moments_f64* moments,
        const lamella_bounds_f64* bounds);
// m and v as in adam_update; p -= (lr_g*g + lr_m*m) / (sqrt(correction*v) + eps).
// Writes ps, ms, vs.
LAMELLA_API lamella_status lamella_nadam_update_f32(const lamella_f32_list* ps, const lamella_f32_list* gs,
        const lamella_f32_list* ms, const lamella_f32_list* vs, double lr_g, double lr_m, double correction,
        const lamella_moments_f32* moments, const lamella_bounds_f32* bounds);
LAMELLA_API lamella_status lamella_nadam_update_f64(const lamella_f64_list* ps, const lamella_f64_list* gs,
        const lamella_f64_list* ms, const lamella_f64_list* vs, double lr_g, double lr_m, double correction,
        const lamella_moments_f64* moments, const lamella_bounds_f64* bounds);
// n = a + g*g; z += g + 2*shrinkage*p - (n^power - a^power) / lr * p; a = n; y = n^power / lr + 2*l2;
// p = |z| <= l1 or y == 0 ? 0 : (sign(z)*l1 - z) / y.
// Writes ps, as_, zs.
LAMELLA_API lamella_status lamella_ftrl_update_f32(const lamella_f32_list* ps, const lamella_f32_list* gs,
        const lamella_f32_list* as, const lamella_f32_list* zs, double lr, double power, double l1, double l2, double shrinkage,
        const lamella_bounds_f32* bounds);
LAMELLA_API lamella_status lamella_ftrl_update_f64(const lamella_f64_list* ps, const lamella_f64_list* gs,
        const lamella_f64_list* as, const lamella_f64_list* zs, double lr, double power, double l1, double l2, double shrinkage,
        const lamella_bounds_f64* bounds);
// m and v as in adam_update; u = correction1*m / (sqrt(correction2*v) + eps) + decay*p; p -= lr * |p|/|u| * u, with the norms of
// each array; the quotient is 1 where it is not a number above 0. The squares are summed in an order that depends only on shapes.
// Writes ps, ms, vs.
LAMELLA_API lamella_status lamella_lamb_update_f32(const lamella_f32_list* ps, const lamella_f32_list* gs,
        const lamella_f32_list* ms, const lamella_f32_list* vs, double lr, double correction1, double correction2, double decay,
        const lamella_moments_f32* moments, const lamella_bounds_f32* bounds);
LAMELLA_API lamella_status lamella_lamb_update_f64(const lamella_f64_list* ps, const lamella_f64_list* gs,
        const lamella_f64_list* ms, const lamella_f64_list* vs, double lr, double correction1, double correction2, double decay,
        const lamella_moments_f64* moments, const lamella_bounds_f64* bounds);
// Adafactor, for each array with a = max(eps2, |p| / sqrt(size)) * rate and the squares d of g. Of the last two axes r += take *
// (mean of a row of d - r) and c += take * (mean of a column of d - c), v = r * c / max(mean of r, eps1); an array of one axis has
// v += take * (d - v) in rows, and nothing in columns. u = g / max(sqrt(v), eps1); p = kept*p - a * u / max(1, |u| / sqrt(size) /
// threshold). rows: the shape with 1 in place of the last axis; columns: of the last but one. Sums depend only on the shapes.
// Writes ps, rows, columns.
LAMELLA_API lamella_status lamella_adafactor_update_f32(const lamella_f32_list* ps, const lamella_f32_list* gs,
        const lamella_f32_list* rows, const lamella_f32_list* columns, double rate, double kept, double take, double eps1,
        double eps2, double threshold, const lamella_bounds_f32* bounds);
LAMELLA_API lamella_status lamella_adafactor_update_f64(const lamella_f64_list* ps, const lamella_f64_list* gs,
        const lamella_f64_list* rows, const lamella_f64_list* columns, double rate, double kept, double take, double eps1,
        double eps2, double threshold, const lamella_bounds_f64* bounds);
// a = keep*a + (1-keep)*x.
// Writes as_.
LAMELLA_API lamella_status lamella_average_update_f32(const lamella_f32_list* as, const lamella_f32_list* xs, double keep);
LAMELLA_API lamella_status lamella_average_update_f64(const lamella_f64_list* as, const lamella_f64_list* xs, double keep);
// The rules of torch.optim, with d = g + l2*p, and torch's roundings (cpp/kernels/optimizer/torch_rules.inl.h).
// m += (1-b1)*(d-m); v = b2*v + (1-b2)*d*d; p = kept*p - rate * m / (sqrt(v)/root + eps). hs: as AMSGrad's, or empty. rate and
// root hold the bias corrections: lr / (1-b1^t) and sqrt(1-b2^t).
// Writes ps, ms, vs, hs.
LAMELLA_API lamella_status lamella_torch_adam_update_f32(const lamella_f32_list* ps, const lamella_f32_list* gs,
        const lamella_f32_list* ms, const lamella_f32_list* vs, const lamella_f32_list* hs, double rate, double root, double l2,
        double kept, const lamella_moments_f32* moments, const lamella_bounds_f32* bounds);
LAMELLA_API lamella_status lamella_torch_adam_update_f64(const lamella_f64_list* ps, const lamella_f64_list* gs,
        const lamella_f64_list* ms, const lamella_f64_list* vs, const lamella_f64_list* hs, double rate, double root, double l2,
        double kept, const lamella_moments_f64* moments, const lamella_bounds_f64* bounds);
// m = momentum*m + take*d; p -= lr * (nesterov ? d + momentum*m : m). ms may be empty: p -= lr*d.
// Writes ps, ms.
LAMELLA_API lamella_status lamella_torch_sgd_update_f32(const lamella_f32_list* ps, const lamella_f32_list* gs,
        const lamella_f32_list* ms, double lr, double momentum, double take, int64_t nesterov, double l2,
        const lamella_bounds_f32* bounds);
LAMELLA_API lamella_status lamella_torch_sgd_update_f64(const lamella_f64_list* ps, const lamella_f64_list* gs,
        const lamella_f64_list* ms, double lr, double momentum, double take, int64_t nesterov, double l2,
        const lamella_bounds_f64* bounds);
// p = kept*p - lr * sign(b1*m + (1-b1)*g); m = b2*m + (1-b2)*g.
// Writes ps, ms.
LAMELLA_API lamella_status lamella_lion_update_f32(const lamella_f32_list* ps, const lamella_f32_list* gs,
        const lamella_f32_list* ms, double lr, double kept, double beta1, double beta2, const lamella_bounds_f32* bounds);
LAMELLA_API lamella_status lamella_lion_update_f64(const lamella_f64_list* ps, const lamella_f64_list* gs,
        const lamella_f64_list* ms, double lr, double kept, double beta1, double beta2, const lamella_bounds_f64* bounds);
// a += d*d; p -= lr * d / (sqrt(a) + eps).
// Writes ps, as_.
LAMELLA_API lamella_status lamella_torch_adagrad_update_f32(const lamella_f32_list* ps, const lamella_f32_list* gs,
        const lamella_f32_list* as, double lr, double eps, double l2, const lamella_bounds_f32* bounds);
LAMELLA_API lamella_status lamella_torch_adagrad_update_f64(const lamella_f64_list* ps, const lamella_f64_list* gs,
        const lamella_f64_list* as, double lr, double eps, double l2, const lamella_bounds_f64* bounds);
// a = alpha*a + (1-alpha)*d*d; mean += (1-alpha)*(d-mean); u = d / (sqrt(a - mean*mean) + eps), without means d / (sqrt(a) + eps);
// m = momentum*m + u; p -= lr*m, without ms lr*u. means and ms may be empty.
// Writes ps, as_, means, ms.
LAMELLA_API lamella_status lamella_torch_rmsprop_update_f32(const lamella_f32_list* ps, const lamella_f32_list* gs,
        const lamella_f32_list* as, const lamella_f32_list* means, const lamella_f32_list* ms, double lr, double alpha,
        double eps, double momentum, double l2, const lamella_bounds_f32* bounds);
LAMELLA_API lamella_status lamella_torch_rmsprop_update_f64(const lamella_f64_list* ps, const lamella_f64_list* gs,
        const lamella_f64_list* as, const lamella_f64_list* means, const lamella_f64_list* ms, double lr, double alpha,
        double eps, double momentum, double l2, const lamella_bounds_f64* bounds);
// The same rules as torch_adam_update, torch_sgd_update and lion_update for arrays that are stored with fewer bits, see Narrow in
// table/bundles.def. The slots are bytes. They are decoded, changed in type T and encoded, block by block.
// Writes ps, gs, ms, vs, narrow.
LAMELLA_API lamella_status lamella_narrow_adam_update_f32(const lamella_f32_list* ps, const lamella_f32_list* gs,
        const lamella_u8_list* ms, const lamella_u8_list* vs, double rate, double root, double l2, double kept,
        const lamella_moments_f32* moments, const lamella_narrow_f32* narrow);
LAMELLA_API lamella_status lamella_narrow_adam_update_f64(const lamella_f64_list* ps, const lamella_f64_list* gs,
        const lamella_u8_list* ms, const lamella_u8_list* vs, double rate, double root, double l2, double kept,
        const lamella_moments_f64* moments, const lamella_narrow_f64* narrow);
// Writes ps, gs, ms, narrow.
LAMELLA_API lamella_status lamella_narrow_sgd_update_f32(const lamella_f32_list* ps, const lamella_f32_list* gs,
        const lamella_u8_list* ms, double lr, double momentum, double take, int64_t nesterov, double l2,
        const lamella_narrow_f32* narrow);
LAMELLA_API lamella_status lamella_narrow_sgd_update_f64(const lamella_f64_list* ps, const lamella_f64_list* gs,
        const lamella_u8_list* ms, double lr, double momentum, double take, int64_t nesterov, double l2,
        const lamella_narrow_f64* narrow);
// Writes ps, gs, ms, narrow.
LAMELLA_API lamella_status lamella_narrow_lion_update_f32(const lamella_f32_list* ps, const lamella_f32_list* gs,
        const lamella_u8_list* ms, double lr, double kept, double beta1, double beta2, const lamella_narrow_f32* narrow);
LAMELLA_API lamella_status lamella_narrow_lion_update_f64(const lamella_f64_list* ps, const lamella_f64_list* gs,
        const lamella_u8_list* ms, double lr, double kept, double beta1, double beta2, const lamella_narrow_f64* narrow);
// norm [1] = the norm of all gs, or of all of bfloat16_gs (bytes); one of the lists is empty. Squares are summed in an order
// that depends only on the shapes.
// Writes norm.
LAMELLA_API lamella_status lamella_gradient_norm_f32(const lamella_f32_list* gs, const lamella_u8_list* bfloat16_gs,
        const lamella_f32* norm);
LAMELLA_API lamella_status lamella_gradient_norm_f64(const lamella_f64_list* gs, const lamella_u8_list* bfloat16_gs,
        const lamella_f64* norm);

// --- measure: the machine's limits, for bench/ ------------------------------------------------------------
// For each element of sums, in parallel: 384*rounds multiply-adds in registers (768*rounds flops).
// Writes sums.
LAMELLA_API lamella_status lamella_measure_fma_f32(int64_t rounds, const lamella_f32* sums);
LAMELLA_API lamella_status lamella_measure_fma_f64(int64_t rounds, const lamella_f64* sums);
// a += g, b += g, c += g in one pass: 4 reads, 3 writes.
// Writes a, b, c.
LAMELLA_API lamella_status lamella_measure_stream_f32(const lamella_f32* a, const lamella_f32* b, const lamella_f32* c,
        const lamella_f32* g);
LAMELLA_API lamella_status lamella_measure_stream_f64(const lamella_f64* a, const lamella_f64* b, const lamella_f64* c,
        const lamella_f64* g);
// Runs a number of empty parallel regions, each with `chunks` chunks, one after the other.
// Writes .
LAMELLA_API lamella_status lamella_measure_region_f32(int64_t regions, int64_t chunks);
LAMELLA_API lamella_status lamella_measure_region_f64(int64_t regions, int64_t chunks);

#ifdef __cplusplus
}
#endif

#endif
