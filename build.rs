//! Packs the description of the API: 70 KB of the binary become 10 KB.

use miniz_oxide::deflate::compress_to_vec_zlib;
use std::io::{Error, Result};
use std::path::PathBuf;

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=src/openapi.json");
    let out = std::env::var_os("OUT_DIR").ok_or_else(|| Error::other("Cargo sets OUT_DIR"))?;
    let packed = compress_to_vec_zlib(&std::fs::read("src/openapi.json")?, 10);
    std::fs::write(PathBuf::from(out).join("openapi.json.zlib"), packed)
}
