//! Where a fuzzer begins, and what it leaves: `nthroot-fuzz seed TARGET FOLDER` writes each input to begin with into a file of the
//! folder, `nthroot-fuzz keep TARGET FOLDER` makes the files in it the corpus that is committed.

use std::{env, fs, io, path::PathBuf};

use alloy::primitives::keccak256;
use nthroot_fuzz::{Target, corpus};

fn main() -> io::Result<()> {
    let usage = || {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "nthroot-fuzz seed|keep codec|evidence|verdict|rules FOLDER",
        )
    };
    let words: Vec<String> = env::args().skip(1).collect();
    let [verb, target, folder] = words.as_slice() else {
        return Err(usage());
    };
    let (target, folder) = (Target::named(target).ok_or_else(usage)?, PathBuf::from(folder));
    match verb.as_str() {
        "seed" => {
            fs::create_dir_all(&folder)?;
            for input in corpus::seeds(target).into_iter().chain(corpus::kept(target)?) {
                fs::write(folder.join(keccak256(&input).to_string()), input)?;
            }
            Ok(())
        }
        "keep" => {
            let files = fs::read_dir(folder)?.map(|file| fs::read(file?.path()));
            corpus::keep(target, files.collect::<io::Result<_>>()?)
        }
        _ => Err(usage()),
    }
}
