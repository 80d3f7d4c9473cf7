//! What a relay or a sender may do to a blob, and that nothing of it passes.

use sha2::{Digest, Sha256};

use super::*;
use crate::crypto::tests::seeded;

const CHUNK: u64 = 65_536;

struct Sealed {
    key: FileKey,
    layout: Layout,
    blob: Vec<u8>,
    hashes: Vec<ChunkHash>,
    plain: [u8; 32],
}

fn text(size: u64) -> Vec<u8> {
    (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

fn seal(plain: &[u8]) -> Sealed {
    let mut rng = seeded(7);
    let key = FileKey::generate(&mut rng);
    let layout = Layout::of(plain.len() as u64).unwrap();
    let mut sealer = FileSealer::new(&key, &[9; 16], layout);
    let (mut blob, mut hashes) = (sealer.header().to_vec(), Vec::new());
    while let Some(span) = sealer.wants() {
        let at = usize::try_from(span.at).unwrap();
        let mut chunk = plain[at..at + span.bytes].to_vec();
        hashes.push(sealer.seal(&mut chunk, None).unwrap());
        blob.extend_from_slice(&chunk);
    }
    let told = sealer.finish().unwrap();
    assert_eq!(told.blob, <[u8; 32]>::from(Sha256::digest(&blob)));
    assert_eq!(blob.len() as u64, layout.blob_bytes());
    Sealed { key, layout, blob, hashes, plain: told.plain }
}

/// What a receiver gets: cuts the blob where the layout says, as long as there are bytes.
fn open(key: &FileKey, layout: Layout, blob: &[u8], plain: &[u8; 32]) -> Result<Vec<u8>, OpenError> {
    let (header, mut rest) = blob.split_at(HEADER_BYTES.min(blob.len()));
    let mut opener = FileOpener::new(key, layout, header)?;
    let (mut out, mut buffer) = (Vec::new(), Vec::new());
    while !rest.is_empty() {
        let due = layout.sealed(opener.next()).bytes;
        let (chunk, after) = rest.split_at(if due == 0 { rest.len() } else { due.min(rest.len()) });
        out.extend_from_slice(opener.open(chunk, &mut buffer)?);
        rest = after;
    }
    opener.finish(plain)?;
    Ok(out)
}

#[test]
fn files_of_every_edge_come_back_as_they_were() {
    for size in [0, 1, 4_096, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, (16 << 20) + 1] {
        let plain = text(size);
        let Sealed { key, layout, blob, plain: hash, .. } = seal(&plain);
        assert_eq!(hash, <[u8; 32]>::from(Sha256::digest(&plain)));
        assert!(open(&key, layout, &blob, &hash).unwrap() == plain, "{size}");
    }
}

#[test]
fn a_blob_that_was_cut_or_extended_at_any_chunk_is_refused() {
    let Sealed { key, layout, blob, plain, .. } = seal(&text(3 * CHUNK + 5));
    for chunk in 0..layout.chunks() {
        let cut = usize::try_from(layout.sealed(chunk).at).unwrap();
        assert!(open(&key, layout, &blob[..cut], &plain).is_err());
        assert!(open(&key, layout, &blob[..cut + 20], &plain).is_err());
    }
    let longer = [&blob[..], &blob[HEADER_BYTES..]].concat();
    assert!(matches!(open(&key, layout, &longer, &plain), Err(OpenError::Count { .. })));
    assert_eq!(open(&key, layout, &[], &plain), Err(OpenError::Header));
}

#[test]
fn chunks_that_were_swapped_repeated_or_taken_from_another_file_are_refused() {
    let Sealed { key, layout, blob, plain, .. } = seal(&text(4 * CHUNK));
    let at = |chunk: u64| {
        let span = layout.sealed(chunk);
        let from = usize::try_from(span.at).unwrap();
        from..from + span.bytes
    };
    let swap = |one: u64, other: u64| {
        let mut bent = blob.clone();
        let kept = blob[at(one)].to_vec();
        bent[at(one)].copy_from_slice(&blob[at(other)]);
        (bent, kept)
    };
    let (mut swapped, first) = swap(0, 1);
    assert_eq!(open(&key, layout, &swapped, &plain), Err(OpenError::Forged { chunk: 0 }));
    swapped[at(1)].copy_from_slice(&first);
    assert_eq!(open(&key, layout, &swapped, &plain), Err(OpenError::Forged { chunk: 0 }));
    let (repeated, _) = swap(2, 1);
    assert_eq!(open(&key, layout, &repeated, &plain), Err(OpenError::Forged { chunk: 2 }));
    let mut sealer = FileSealer::new(&key, &[10; 16], layout);
    let mut foreign = text(CHUNK);
    sealer.seal(&mut foreign, None).unwrap();
    let mut mixed = blob.clone();
    mixed[at(0)].copy_from_slice(&foreign);
    assert_eq!(open(&key, layout, &mixed, &plain), Err(OpenError::Forged { chunk: 0 }));
}

#[test]
fn a_last_chunk_is_not_one_from_the_middle_nor_the_other_way_round() {
    // The same key and salt: only the flag in the nonce differs.
    let short = seal(&text(CHUNK));
    let long = seal(&text(3 * CHUNK));
    let moved = [&long.blob[..HEADER_BYTES], &long.blob[HEADER_BYTES..][..short.blob.len() - HEADER_BYTES]].concat();
    assert_eq!(open(&short.key, short.layout, &moved, &short.plain), Err(OpenError::Forged { chunk: 0 }));
}

#[test]
fn every_flipped_bit_is_seen() {
    let Sealed { key, layout, blob, plain, .. } = seal(b"a small one");
    for at in (0..blob.len()).step_by(13).chain([blob.len() - 1]) {
        let mut bent = blob.clone();
        bent[at] ^= 1 << (at % 8);
        assert!(open(&key, layout, &bent, &plain).is_err(), "byte {at}");
    }
}

#[test]
fn another_key_size_or_hash_is_refused() {
    let Sealed { layout, blob, plain, key, .. } = seal(&text(5_000));
    let other = FileKey::generate(&mut seeded(8));
    assert_eq!(open(&other, layout, &blob, &plain), Err(OpenError::Header));
    let larger = Layout::of(5_100).unwrap();
    assert_eq!(larger.blob_bytes(), layout.blob_bytes());
    assert_eq!(open(&key, larger, &blob, &plain), Err(OpenError::Hash));
    assert_eq!(open(&key, Layout::of(4_999).unwrap(), &blob, &plain), Err(OpenError::Padding { chunk: 0 }));
    assert_eq!(open(&key, layout, &blob, &[0; 32]), Err(OpenError::Hash));
    assert_eq!(open(&key, Layout::of(17 << 20).unwrap(), &blob, &plain), Err(OpenError::Header));
}

#[test]
fn a_file_that_changed_is_not_sealed_again_under_its_key() {
    let plain = text(2 * CHUNK);
    let Sealed { key, layout, hashes, blob, .. } = seal(&plain);
    let mut again = FileSealer::new(&key, &[9; 16], layout);
    let mut first = plain[..65_536].to_vec();
    assert_eq!(again.seal(&mut first, hashes.first()), Ok(hashes[0]));
    assert_eq!(first, blob[HEADER_BYTES..HEADER_BYTES + 65_552]);
    let mut second = plain[65_536..].to_vec();
    second[100] ^= 1;
    assert_eq!(again.seal(&mut second, hashes.get(1)), Err(SealError::Changed { chunk: 1 }));
    assert!(second.is_empty(), "nothing is left to send");
    assert_eq!(again.finish(), None);
}

#[test]
fn a_text_of_another_length_is_not_sealed() {
    let mut sealer = FileSealer::new(&FileKey::generate(&mut seeded(1)), &[0; 16], Layout::of(10).unwrap());
    let short = sealer.seal(&mut vec![0; 9], None);
    assert_eq!(short, Err(SealError::Length { chunk: 0, expected: 10, found: 9 }));
    sealer.seal(&mut vec![0; 10], None).unwrap();
    assert_eq!(sealer.seal(&mut vec![], None), Err(SealError::Behind { chunks: 1 }));
}

#[test]
fn what_was_kept_of_an_earlier_try_counts_and_is_checked_at_the_end() {
    let plain = text(2 * CHUNK + 1);
    let Sealed { key, layout, blob, plain: hash, .. } = seal(&plain);
    for bend in [false, true] {
        let mut opener = FileOpener::new(&key, layout, &blob[..HEADER_BYTES]).unwrap();
        let mut kept = plain[..65_536].to_vec();
        kept[5] ^= u8::from(bend);
        opener.skip(&kept).unwrap();
        let mut buffer = Vec::new();
        while opener.due().is_some() {
            let span = layout.sealed(opener.next());
            let at = usize::try_from(span.at).unwrap();
            opener.open(&blob[at..at + span.bytes], &mut buffer).unwrap();
        }
        assert_eq!(opener.finish(&hash), if bend { Err(OpenError::Hash) } else { Ok(()) });
    }
}

/// Frozen, and computed apart from this code: a change of a single byte is another protocol.
#[test]
fn the_blob_of_an_empty_file_has_the_bytes_that_it_always_had() {
    let key = FileKey::from_slice(&[1; 32]).unwrap();
    let mut sealer = FileSealer::new(&key, &[2; 16], Layout::of(0).unwrap());
    let mut chunk = Vec::new();
    sealer.seal(&mut chunk, None).unwrap();
    let header = hex::encode(sealer.header());
    assert_eq!(&header[..42], "434642311002020202020202020202020202020202");
    assert_eq!(&header[42..], FROZEN_COMMITMENT);
    assert_eq!(hex::encode(sealer.finish().unwrap().blob), FROZEN_BLOB);
}

const FROZEN_COMMITMENT: &str = "d41cd3d0e9eccb185ee9f6155ec0e896ae7fa6b733e8e37d20af98f51b4af09a";
const FROZEN_BLOB: &str = "699249eccd0b381e8108c42aa040bd635ef3c702d101e10d397d2ea5bddd65d9";
