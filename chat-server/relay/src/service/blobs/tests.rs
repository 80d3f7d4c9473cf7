use super::*;
use crate::blobstore::MemoryBlobs;

const OWN: AccountId = AccountId([1; 32]);
const TOKEN: BlobToken = BlobToken([7; 32]);
const BLOB: BlobId = BlobId([9; 16]);
const LIMITS: BlobLimits = BlobLimits { blob_bytes_max: 1_000, account_bytes_max: 1_500, retention_ms: 100 };

fn service() -> Blobs<MemoryBlobs> {
    Blobs::open(MemoryBlobs::default(), LIMITS).unwrap()
}

fn create(blobs: &Blobs<MemoryBlobs>, blob: BlobId, bytes: u64) -> Result<BlobAnswer, RefusalKind> {
    ask(blobs, BlobAsk::Create { blob, bytes, token: TOKEN }, b"")
}

fn ask(blobs: &Blobs<MemoryBlobs>, ask: BlobAsk, body: &'static [u8]) -> Result<BlobAnswer, RefusalKind> {
    blobs.handle(0, OWN, ask, &Bytes::from_static(body)).map(|(answer, _)| answer)
}

fn put(blobs: &Blobs<MemoryBlobs>, at: u64, body: &'static [u8]) -> Result<BlobAnswer, RefusalKind> {
    ask(blobs, BlobAsk::Put { blob: BLOB, at, token: TOKEN }, body)
}

fn held(bytes: u64) -> Result<BlobAnswer, RefusalKind> {
    Ok(BlobAnswer::Held { bytes, finished: false })
}

fn get(blobs: &Blobs<MemoryBlobs>, now_ms: u64) -> Result<Bytes, RefusalKind> {
    blobs.handle(now_ms, OWN, BlobAsk::Get { blob: BLOB, at: 2, count: 100 }, &Bytes::new()).map(|(_, body)| body)
}

#[test]
fn an_upload_goes_on_where_it_broke_off_and_repeats_change_nothing() {
    let blobs = service();
    assert_eq!(create(&blobs, BLOB, 6), held(0));
    assert_eq!(put(&blobs, 0, b"abc"), held(3));
    assert_eq!(create(&blobs, BLOB, 6), held(3));
    assert_eq!(put(&blobs, 0, b"abc"), held(3));
    assert_eq!(put(&blobs, 4, b"ef"), Err(RefusalKind::Conflict));
    // What is held stays, also when a repeat says something else.
    assert_eq!(put(&blobs, 1, b"XXde"), held(5));
    let finish = BlobAsk::Finish { blob: BLOB, token: TOKEN };
    assert_eq!(ask(&blobs, finish.clone(), b""), Err(RefusalKind::Conflict));
    assert_eq!(get(&blobs, 0), Err(RefusalKind::UnknownBlob));
    assert_eq!(put(&blobs, 5, b"f"), held(6));
    for _ in 0..2 {
        assert_eq!(ask(&blobs, finish.clone(), b""), Ok(BlobAnswer::Finished { expires_ms: 100 }));
    }
    assert_eq!(get(&blobs, 0).unwrap(), &b"cdef"[..]);
    assert_eq!(put(&blobs, 0, b"XXXXXX"), Ok(BlobAnswer::Held { bytes: 6, finished: true }));
    assert_eq!(get(&blobs, 0).unwrap(), &b"cdef"[..]);
}

#[test]
fn who_knows_only_the_id_can_neither_write_nor_delete() {
    let blobs = service();
    create(&blobs, BLOB, 6).unwrap();
    let token = BlobToken([8; 32]);
    assert_eq!(ask(&blobs, BlobAsk::Create { blob: BLOB, bytes: 6, token }, b""), Err(RefusalKind::Conflict));
    assert_eq!(ask(&blobs, BlobAsk::Put { blob: BLOB, at: 0, token }, b"x"), Err(RefusalKind::Forbidden));
    assert_eq!(ask(&blobs, BlobAsk::Finish { blob: BLOB, token }, b""), Err(RefusalKind::Forbidden));
    assert_eq!(ask(&blobs, BlobAsk::Delete { blob: BLOB, token }, b""), Err(RefusalKind::Forbidden));
    assert_eq!(create(&blobs, BLOB, 6), held(0));
}

#[test]
fn too_large_is_said_before_a_byte_and_the_quota_counts_until_a_blob_is_gone() {
    let blobs = service();
    assert_eq!(create(&blobs, BLOB, 1_001), Err(RefusalKind::TooLarge));
    create(&blobs, BLOB, 1_000).unwrap();
    let other = BlobId([10; 16]);
    assert_eq!(create(&blobs, other, 501), Err(RefusalKind::QuotaFull));
    assert_eq!(put(&blobs, 999, b"xy"), Err(RefusalKind::TooLarge));
    ask(&blobs, BlobAsk::Delete { blob: BLOB, token: TOKEN }, b"").unwrap();
    assert_eq!(create(&blobs, other, 501), held(0));
    assert_eq!(ask(&blobs, BlobAsk::Delete { blob: BLOB, token: TOKEN }, b""), Ok(BlobAnswer::Deleted {}));
    // A restart counts again.
    let Blobs { store, .. } = blobs;
    let blobs = Blobs::open(store, LIMITS).unwrap();
    assert_eq!(create(&blobs, BLOB, 1_000), Err(RefusalKind::QuotaFull));
}

#[test]
fn a_blob_expires_for_readers_at_once_and_for_the_disk_at_the_next_sweep() {
    let blobs = service();
    create(&blobs, BLOB, 3).unwrap();
    put(&blobs, 0, b"abc").unwrap();
    ask(&blobs, BlobAsk::Finish { blob: BLOB, token: TOKEN }, b"").unwrap();
    assert_eq!(get(&blobs, 99).unwrap(), &b"c"[..]);
    assert_eq!(get(&blobs, 100), Err(RefusalKind::UnknownBlob));
    blobs.sweep(99).unwrap();
    assert_eq!(get(&blobs, 99).unwrap(), &b"c"[..]);
    blobs.sweep(100).unwrap();
    assert_eq!(get(&blobs, 99), Err(RefusalKind::UnknownBlob));
    assert!(lock(&blobs.used).is_empty());
}

#[test]
fn a_ticket_opens_only_the_connection_that_proves_it_and_only_for_a_while() {
    let tickets = Tickets { key: [3; 32] };
    let BlobAnswer::Ticket { pass, secret } = tickets.issue(OWN, 1_000, [4; 16]) else { panic!("a ticket") };
    let exporter = [5; 32];
    let proof = ticket_proof(&secret, &exporter);
    assert_eq!(tickets.check(1_000, &pass, &proof, &exporter), Some(OWN));
    assert_eq!(tickets.check(pass.expires_ms, &pass, &proof, &exporter), None);
    // A relay in the middle has another exporter.
    assert_eq!(tickets.check(1_000, &pass, &proof, &[6; 32]), None);
    let bent = BlobPass { account: AccountId([2; 32]), ..pass };
    assert_eq!(tickets.check(1_000, &bent, &proof, &exporter), None);
    let longer = BlobPass { expires_ms: pass.expires_ms + 1, ..pass };
    assert_eq!(tickets.check(1_000, &longer, &proof, &exporter), None);
    assert_eq!(Tickets { key: [4; 32] }.check(1_000, &pass, &proof, &exporter), None);
}
