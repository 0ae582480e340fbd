//! Packs what is large and seldom asked for: of 80 KB of the binary 12 KB are left.

use miniz_oxide::deflate::compress_to_vec_zlib;
use std::io::{Error, Result};
use std::path::PathBuf;

fn main() -> Result<()> {
    let out = std::env::var_os("OUT_DIR").ok_or_else(|| Error::other("Cargo sets OUT_DIR"))?;
    for (from, to) in [("src/openapi.json", "openapi.json.zlib"), ("src/acp/tools.json", "tools.json.zlib")] {
        println!("cargo::rerun-if-changed={from}");
        std::fs::write(PathBuf::from(&out).join(to), compress_to_vec_zlib(&std::fs::read(from)?, 10))?;
    }
    Ok(())
}
