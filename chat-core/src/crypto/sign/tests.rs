//! Published vectors. Verification has its own cases in `chat_wire::keys`.

use super::SigningSecret;
use crate::crypto::tests::rng;

/// RFC 8032 §7.1, tests 1 to 3: secret and public key.
#[test]
fn the_keys_of_rfc_8032_come_out() {
    for (secret, public) in [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        ),
    ] {
        let key = SigningSecret::from_slice(&hex::decode(secret).unwrap()).unwrap();
        assert_eq!(hex::encode(key.public().0), public);
    }
}

#[test]
fn a_signature_holds_for_its_label_its_parts_and_its_key_only() {
    let (key, other) = (SigningSecret::generate(&mut rng()), SigningSecret::from_slice(&[1; 32]).unwrap());
    let signature = key.sign("sig/list", &[b"one", b"two"]);
    assert!(key.public().verifies("sig/list", &[b"one", b"two"], &signature));
    assert!(!key.public().verifies("sig/spk", &[b"one", b"two"], &signature));
    assert!(!key.public().verifies("sig/list", &[b"one", b"tw0"], &signature));
    assert!(!other.public().verifies("sig/list", &[b"one", b"two"], &signature));
}
