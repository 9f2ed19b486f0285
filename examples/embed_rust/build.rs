//! Asks the installed package where its library is.
use std::env;
use std::process::Command;

fn main() {
    let python = env::var("PYTHON").unwrap_or_else(|_| "python3".to_string());
    let program = "from lamella.embedding import get_library; print(get_library())";
    let output = Command::new(&python).args(["-c", program]).output();
    let output = output.unwrap_or_else(|error| panic!("{python}: {error}: set PYTHON to an interpreter that has lamella"));
    assert!(output.status.success(), "{python}: {}", String::from_utf8_lossy(&output.stderr));
    let directory = String::from_utf8(output.stdout).expect("a path in UTF-8");
    let directory = directory.trim();
    println!("cargo:rustc-link-search=native={directory}");
    println!("cargo:rustc-link-lib=dylib=lamella");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{directory}");
    println!("cargo:rerun-if-env-changed=PYTHON");
    println!("cargo:rerun-if-changed=build.rs");
}
