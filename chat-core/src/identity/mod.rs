//! Who is who: account and device keys, the vault with its recovery code, the password policy, the
//! safety number, and [`Party`], what a verified device list says about one device (SPEC 5).

pub mod account;
pub mod device;
mod entry_code;
pub mod party;
pub mod passphrase;
pub mod password;
pub mod record;
pub mod recovery;
pub mod safety_number;
pub mod vault;

pub use account::AccountKey;
pub use device::DeviceKeys;
pub use entry_code::entry_code;
pub use party::{ClaimedParty, Party};
pub use recovery::RecoveryCode;
pub use safety_number::{safety_code, safety_number};
pub use vault::{Vault, VaultScope, VaultSecret};
