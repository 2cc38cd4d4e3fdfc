//! This user's key that signs audit logs, kept outside every project.

use std::path::Path;

use remit_core::{Error, Result, audit::Signer};

use super::file;

/// Bytes of the private half.
const SEED_BYTES: u64 = 32;

/// The key in `folder`, which is made when it is first asked for: once, whoever else asks at the same time.
///
/// # Errors
/// `denied` when the folder or the key may be somebody else's; `host` when it cannot be read or made, or is damaged.
pub fn signing_key(folder: &Path) -> Result<Signer> {
    let path = folder.join("key");
    let seed = match file::read_own(&path, SEED_BYTES)? {
        Some(seed) => seed,
        None => {
            file::own_folder(folder)?;
            let lock = file::lock(&folder.join("key.lock"))?;
            let seed = match file::read_own(&path, SEED_BYTES)? {
                Some(seed) => seed,
                None => {
                    let mut seed = vec![0; SEED_BYTES as usize];
                    getrandom::fill(&mut seed).map_err(|error| Error::host("the machine gives no random numbers", error))?;
                    file::write(&path, &seed, 0o600)?;
                    seed
                }
            };
            drop(lock);
            seed
        }
    };
    Signer::from_seed(&seed).map_err(|error| {
        error.hint(format!("put it back from a copy; without one, remove `{}`, and a new key signs from now on", path.display()))
    })
}
