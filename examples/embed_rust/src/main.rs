//! Trains a logistic regression on scikit-learn's 1,797 digits of 8 x 8 pixels: lamella's kernels from Rust, without a crate.
mod lamella;

use lamella::Array;
use std::process::ExitCode;

const SAMPLES: usize = 1797;
const TRAINED: usize = 1500;
const PIXELS: usize = 64;
const CLASSES: usize = 10;
const BATCH: usize = 50;

/// Pixels from 0 to 1, and one-hot labels.
fn read_digits(path: &str) -> Result<(Vec<f32>, Vec<f32>), String> {
    let bytes = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    if bytes.len() != SAMPLES * (PIXELS + 1) {
        return Err(format!("{path}: expected a file that digits_file.py wrote, got {} bytes", bytes.len()));
    }
    let (mut images, mut one_hot) = (Vec::new(), vec![0.0; SAMPLES * CLASSES]);
    for (i, row) in bytes.chunks(PIXELS + 1).enumerate() {
        images.extend(row[..PIXELS].iter().map(|&pixel| f32::from(pixel) / 16.0));
        let label = usize::from(row[PIXELS]);
        if label >= CLASSES {
            return Err(format!("{path}: expected labels from 0 to 9, got {label}"));
        }
        one_hot[i * CLASSES + label] = 1.0;
    }
    Ok((images, one_hot))
}

#[derive(Default)]
struct Parameter {
    values: Vec<f32>,
    gradient: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
    shape: Vec<usize>,
}

impl Parameter {
    fn zeros(shape: &[usize]) -> Self {
        let zeros = vec![0.0; shape.iter().product()];
        Parameter { values: zeros.clone(), gradient: zeros.clone(), first: zeros.clone(), second: zeros, shape: shape.to_vec() }
    }
}

fn adam(parameters: &mut [Parameter], step: i32, rate: f64) -> Result<(), String> {
    let (mut ps, mut gs, mut ms, mut vs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for p in parameters {
        ps.push(Array::write(&mut p.values, &p.shape));
        gs.push(Array::read(&p.gradient, &p.shape));
        ms.push(Array::write(&mut p.first, &p.shape));
        vs.push(Array::write(&mut p.second, &p.shape));
    }
    let corrected = rate * (1.0 - 0.999f64.powi(step)).sqrt() / (1.0 - 0.9f64.powi(step));
    lamella::adam(&mut ps, &gs, &mut ms, &mut vs, corrected)
}

fn logits(images: &[f32], w: &Parameter, bias: &Parameter) -> Result<Vec<f32>, String> {
    let n = images.len() / PIXELS;
    let mut z = vec![0.0; n * CLASSES];
    let (w, bias) = (Array::read(&w.values, &w.shape), Array::read(&bias.values, &bias.shape));
    lamella::dense(&Array::read(images, &[n, PIXELS]), &w, &bias, &mut Array::write(&mut z, &[n, CLASSES]))?;
    Ok(z)
}

/// Writes the gradients of the mean loss of a batch; returns this loss.
fn gradients(images: &[f32], one_hot: &[f32], parameters: &mut [Parameter]) -> Result<f32, String> {
    let n = images.len() / PIXELS;
    let z = logits(images, &parameters[0], &parameters[1])?;
    let (mut p, mut losses, mut dz) = (vec![0.0; n * CLASSES], vec![0.0; n], vec![0.0; n * CLASSES]);
    let (share, shape, y) = (vec![1.0 / n as f32; n], [n, CLASSES], Array::read(one_hot, &[n, CLASSES]));
    lamella::softmax_crossentropy(
        &Array::read(&z, &shape),
        &y,
        &mut Array::write(&mut p, &shape),
        &mut Array::write(&mut losses, &[n]),
    )?;
    lamella::softmax_crossentropy_gradient(
        &Array::read(&p, &shape),
        &y,
        &Array::read(&share, &[n]),
        &mut Array::write(&mut dz, &shape),
    )?;
    let (weights, biases) = parameters.split_at_mut(1);
    let (w, b) = (&mut weights[0], &mut biases[0]);
    lamella::dense_gradients(
        &Array::read(images, &[n, PIXELS]),
        &Array::read(&w.values, &w.shape),
        &Array::read(&dz, &shape),
        &mut Array::write(&mut w.gradient, &w.shape),
        &mut Array::write(&mut b.gradient, &b.shape),
    )?;
    Ok(losses.iter().sum::<f32>() / n as f32)
}

fn index_of_max(row: &[f32]) -> usize {
    (0..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best })
}

fn run(path: &str) -> Result<(), String> {
    let (version, threads) = lamella::start()?;
    println!("lamella {version}, {threads} threads");
    let (images, one_hot) = read_digits(path)?;
    let mut parameters = [Parameter::zeros(&[PIXELS, CLASSES]), Parameter::zeros(&[CLASSES])];
    let (mut step, mut loss) = (0, 0.0);
    for _ in 0..30 {
        for first in (0..TRAINED).step_by(BATCH) {
            let (x, y) = (&images[first * PIXELS..][..BATCH * PIXELS], &one_hot[first * CLASSES..][..BATCH * CLASSES]);
            loss = gradients(x, y, &mut parameters)?;
            step += 1;
            adam(&mut parameters, step, 0.01)?;
        }
    }
    let z = logits(&images[TRAINED * PIXELS..], &parameters[0], &parameters[1])?;
    let rows = z.chunks(CLASSES).zip(one_hot[TRAINED * CLASSES..].chunks(CLASSES));
    let right = rows.filter(|(z, y)| index_of_max(z) == index_of_max(y)).count();
    println!("logistic regression: loss {loss:.4}, accuracy on new digits {:.4}", right as f64 / (SAMPLES - TRAINED) as f64);
    // If a kernel refuses its arguments, here a shape that does not fit the weights, the result is an error.
    let refused = lamella::dense(
        &Array::read(&images[..3], &[1, 3]),
        &Array::read(&parameters[0].values, &[PIXELS, CLASSES]),
        &Array::read(&parameters[1].values, &[CLASSES]),
        &mut Array::write(&mut [0.0; CLASSES], &[1, CLASSES]),
    );
    match refused {
        Ok(()) => Err("3 pixels were accepted instead of 64".to_string()),
        Err(message) => {
            println!("refused: {message}");
            Ok(())
        }
    }
}

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("expected the name of a file that digits_file.py wrote");
        return ExitCode::from(2);
    };
    match run(&path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(1)
        }
    }
}
