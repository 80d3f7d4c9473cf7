//! Every domain-separation label of secrets: `L(x) = "CHAT-v1 " ‖ x ‖ 0x00` (key-schedule, SPEC 4.1).
//! Labels over public bytes stand in `chat_wire::domain`. No label is used for two purposes.

/// Spells out `L(x)`: a macro, because the label is joined at compile time.
macro_rules! label {
    ($text:literal) => {
        concat!("CHAT-v1 ", $text, "\0").as_bytes()
    };
}

// A. Handshake.
pub(crate) const DM_ID: &[u8] = label!("dm/id");
pub(crate) const DM_TRANSCRIPT: &[u8] = label!("dm/T");
pub(crate) const DM_SHARED: &[u8] = label!("dm/sk");
pub(crate) const DM_PSK: &[u8] = label!("dm/psk");
pub(crate) const DM_ASSOCIATED: &[u8] = label!("dm/ad");
pub(crate) const DM_INITIATION: &[u8] = label!("dm/init");

// B. Chains.
pub(crate) const DM_ROOT: &[u8] = label!("dm/root");
pub(crate) const PQ_START: &[u8] = label!("pq/start");
pub(crate) const PQ_EPOCH: &[u8] = label!("pq/epoch");
pub(crate) const PQ_ADD: &[u8] = label!("pq/add");
pub(crate) const PQ_AUTH: &[u8] = label!("pq/auth");
pub(crate) const PQ_HEADER: &[u8] = label!("pq/hdr");
pub(crate) const PQ_CIPHERTEXT: &[u8] = label!("pq/ct");

// C. Message.
pub(crate) const DM_RANDOM: &[u8] = label!("dm/r");
pub(crate) const DM_HEADER: &[u8] = label!("dm/h");
pub(crate) const DM_MESSAGE: &[u8] = label!("dm/mk");

// Rooms: randomness of OpenMLS.
pub(crate) const ROOM_CHANCE: &[u8] = label!("room/chance");
pub(crate) const ROOM_SEAL: &[u8] = label!("room/seal");
pub(crate) const ROOM_DOOR: &[u8] = label!("room/door");
pub(crate) const ROOM_TYPING: &[u8] = label!("room/typing");

// D. File.
pub(crate) const FILE: &[u8] = label!("file");

// E. Vault and account record.
pub(crate) const VAULT: &[u8] = label!("vault");
pub(crate) const VAULT_PASSWORD: &[u8] = label!("vault/pw");
pub(crate) const VAULT_SECRET: &[u8] = label!("vault/vs");
pub(crate) const VAULT_RECOVERY: &[u8] = label!("vault/rc");
pub(crate) const VAULT_ACCOUNT_KEY: &[u8] = label!("vault/ak");
pub(crate) const VAULT_KEM: &[u8] = label!("vault/kem");
pub(crate) const VAULT_SYNC: &[u8] = label!("vault/sync");
pub(crate) const RECORD: &[u8] = label!("record");
pub(crate) const SAFETY_CODE: &[u8] = label!("safety-code");
pub(crate) const RECOVERY: &[u8] = label!("recovery");
pub(crate) const RECOVERY_CHECK: &[u8] = label!("rc-check");
pub(crate) const RECOVERY_AUTH: &[u8] = label!("rc/auth");
pub(crate) const RECOVERY_KEM: &[u8] = label!("rc/kem");
pub(crate) const RECOVERY_NEXT: &[u8] = label!("rc/next");

// Boxes under a passphrase, on this device only.
pub(crate) const PASSPHRASE_STORE: &[u8] = label!("passphrase/store");
pub(crate) const PASSPHRASE_ARCHIVE: &[u8] = label!("passphrase/archive");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_label_is_another_one_s_beginning() {
        let all = [
            DM_ID,
            DM_TRANSCRIPT,
            DM_SHARED,
            DM_PSK,
            DM_ASSOCIATED,
            DM_INITIATION,
            DM_ROOT,
            PQ_START,
            PQ_EPOCH,
            PQ_ADD,
            PQ_AUTH,
            PQ_HEADER,
            PQ_CIPHERTEXT,
            DM_RANDOM,
            DM_HEADER,
            DM_MESSAGE,
            FILE,
            VAULT,
            VAULT_PASSWORD,
            VAULT_SECRET,
            VAULT_RECOVERY,
            VAULT_ACCOUNT_KEY,
            VAULT_KEM,
            VAULT_SYNC,
            RECORD,
            SAFETY_CODE,
            RECOVERY,
            RECOVERY_CHECK,
            RECOVERY_AUTH,
            RECOVERY_KEM,
            RECOVERY_NEXT,
            PASSPHRASE_STORE,
            PASSPHRASE_ARCHIVE,
        ];
        for (at, one) in all.iter().enumerate() {
            assert_eq!(one.last(), Some(&0));
            for other in all.iter().skip(at + 1) {
                assert!(!one.starts_with(other) && !other.starts_with(one));
            }
        }
    }
}
