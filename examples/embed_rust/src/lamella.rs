//! The part of lamella.h that main.rs uses, for arrays of f32.
use std::ffi::{c_char, c_int, CStr};
use std::marker::PhantomData;
use std::ptr;

const MAX_RANK: usize = 8;
/// The declarations of this file are those of the header with this ABI version.
const ABI_VERSION: c_int = 1;

/// lamella_f32. It borrows the caller's numbers, so its lifetime is theirs.
#[repr(C)]
pub struct Array<'a> {
    data: *mut f32,
    size: i64,
    rank: i64,
    shape: [i64; MAX_RANK],
    of: PhantomData<&'a mut [f32]>,
}

impl<'a> Array<'a> {
    fn at(data: *mut f32, length: usize, shape: &[usize]) -> Self {
        assert_eq!(length, shape.iter().product::<usize>(), "the numbers do not fill the shape {shape:?}");
        let mut sizes = [1; MAX_RANK];
        for (size, given) in sizes.iter_mut().zip(shape) {
            *size = *given as i64;
        }
        Array { data, size: length as i64, rank: shape.len() as i64, shape: sizes, of: PhantomData }
    }

    /// An array that a kernel only reads.
    pub fn read(numbers: &'a [f32], shape: &[usize]) -> Self {
        Self::at(numbers.as_ptr() as *mut f32, numbers.len(), shape)
    }

    pub fn write(numbers: &'a mut [f32], shape: &[usize]) -> Self {
        Self::at(numbers.as_mut_ptr(), numbers.len(), shape)
    }
}

#[repr(C)]
struct List {
    items: *const Array<'static>,
    count: i64,
}

impl List {
    /// Valid as long as the arrays.
    fn of(arrays: &[Array]) -> Self {
        List { items: arrays.as_ptr().cast(), count: arrays.len() as i64 }
    }
}

#[repr(C)]
struct Moments {
    beta1: f64,
    beta2: f64,
    eps: f64,
}

#[repr(C)]
struct Bounds {
    sums: *const List,
    scale: f64,
    norm: f64,
    norm_each: f64,
    clip: f64,
}

extern "C" {
    fn lamella_abi_version() -> c_int;
    fn lamella_version() -> *const c_char;
    fn lamella_last_error() -> *const c_char;
    fn lamella_num_threads() -> c_int;
    fn lamella_dense_forward_f32(x: *const Array, w: *const Array, bias: *const Array, relu: i64, y: *const Array) -> c_int;
    fn lamella_dense_backward_f32(
        x: *const Array,
        w: *const Array,
        y: *const Array,
        dy: *const Array,
        dz: *const Array,
        dx: *const Array,
        dw: *const Array,
        dbias: *const Array,
    ) -> c_int;
    fn lamella_softmax_crossentropy_forward_f32(z: *const Array, y: *const Array, p: *const Array, loss: *const Array)
        -> c_int;
    fn lamella_softmax_crossentropy_backward_f32(
        p: *const Array,
        y: *const Array,
        dloss: *const Array,
        dz: *const Array,
    ) -> c_int;
    fn lamella_adam_update_f32(
        ps: *const List,
        gs: *const List,
        ms: *const List,
        vs: *const List,
        lr: f64,
        shrink: f64,
        moments: *const Moments,
        bounds: *const Bounds,
    ) -> c_int;
}

fn text(pointer: *const c_char) -> String {
    // lamella's strings end with 0 and are ASCII, except paths in messages.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

fn result(status: c_int) -> Result<(), String> {
    if status == 0 {
        Ok(())
    } else {
        Err(text(unsafe { lamella_last_error() }))
    }
}

/// The version and the number of threads; an error if this file's declarations are of another version.
pub fn start() -> Result<(String, i32), String> {
    let found = unsafe { lamella_abi_version() };
    if found != ABI_VERSION {
        return Err(format!("expected a liblamella with ABI version {ABI_VERSION}, got {found}"));
    }
    Ok(unsafe { (text(lamella_version()), lamella_num_threads()) })
}

/// y = x w + bias
pub fn dense(x: &Array, w: &Array, bias: &Array, y: &mut Array) -> Result<(), String> {
    result(unsafe { lamella_dense_forward_f32(x, w, bias, 0, y) })
}

/// The gradients of w and bias, from dy.
pub fn dense_gradients(x: &Array, w: &Array, dy: &Array, dw: &mut Array, dbias: &mut Array) -> Result<(), String> {
    let none = ptr::null();
    result(unsafe { lamella_dense_backward_f32(x, w, none, dy, none, none, dw, dbias) })
}

/// p = softmax(z); loss of each row against the one-hot rows y.
pub fn softmax_crossentropy(z: &Array, y: &Array, p: &mut Array, loss: &mut Array) -> Result<(), String> {
    result(unsafe { lamella_softmax_crossentropy_forward_f32(z, y, p, loss) })
}

pub fn softmax_crossentropy_gradient(p: &Array, y: &Array, dloss: &Array, dz: &mut Array) -> Result<(), String> {
    result(unsafe { lamella_softmax_crossentropy_backward_f32(p, y, dloss, dz) })
}

/// One step of Adam, in place. `rate` includes the correction of the bias.
pub fn adam(ps: &mut [Array], gs: &[Array], ms: &mut [Array], vs: &mut [Array], rate: f64) -> Result<(), String> {
    let moments = Moments { beta1: 0.9, beta2: 0.999, eps: 1e-7 };
    let bounds = Bounds { sums: ptr::null(), scale: 1.0, norm: 0.0, norm_each: 0.0, clip: 0.0 };
    let (ps, gs, ms, vs) = (List::of(ps), List::of(gs), List::of(ms), List::of(vs));
    result(unsafe { lamella_adam_update_f32(&ps, &gs, &ms, &vs, rate, 0.0, &moments, &bounds) })
}
