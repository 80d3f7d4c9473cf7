//! Key packages: handed out once, then the last resort, and not without end.

use super::*;

fn package(number: u8, expires_ms: u64) -> KeyPackageUpload {
    KeyPackageUpload { id: KeyPackageId([number; 32]), expires_ms, package: ByteBuf::from(vec![number; 40]) }
}

fn claim(bench: &mut Bench, connection: ConnectionId, of: &Person) -> Vec<u8> {
    match room(bench, connection, RoomAsk::ClaimKeyPackages { account: of.account, devices: vec![] }) {
        RoomAnswer::KeyPackages { list, packages } => {
            assert_eq!(list, ByteBuf::from(of.list.clone()));
            packages.iter().map(|offered| offered.package[0]).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_package_is_handed_out_once_then_the_last_resort_and_never_one_that_ended() {
    let mut bench = Bench::new(Config::default());
    let ((alice, a), (_, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
    assert_eq!(claim(&mut bench, b, &alice), [0; 0], "nothing is published");
    let now = bench.now.wall_ms;
    let packages = vec![package(1, now + 5_000), package(2, now + 900_000), package(3, now + 900_000)];
    let put = RoomAsk::PutKeyPackages { packages: packages.clone(), last_resort: Some(package(9, now + 900_000)) };
    assert_eq!(room(&mut bench, a, put), RoomAnswer::KeyPackagesStored { left: 3 });
    bench.pass_ms(5_000);
    bench.outputs.clear();
    assert_eq!(claim(&mut bench, b, &alice), [2]);
    assert_eq!(claim(&mut bench, b, &alice), [3]);
    assert_eq!(claim(&mut bench, b, &alice), [9]);
    assert_eq!(claim(&mut bench, b, &alice), [9]);
    let again = RoomAsk::PutKeyPackages { packages: packages[1..].to_vec(), last_resort: None };
    assert_eq!(room(&mut bench, a, again), RoomAnswer::KeyPackagesStored { left: 1 }, "never one that was handed out");
    let late = RoomAsk::PutKeyPackages { packages: vec![package(4, now)], last_resort: None };
    assert_eq!(refused(&mut bench, a, late, b""), RefusalKind::Malformed);
    let many = (0..51).map(|n| package(n, now + 900_000)).collect();
    let many = RoomAsk::PutKeyPackages { packages: many, last_resort: None };
    assert_eq!(refused(&mut bench, a, many, b""), RefusalKind::TooLarge);
}

#[test]
fn key_packages_of_one_person_are_claimed_only_so_often_by_one_account() {
    let mut bench = Bench::new(Config::default());
    let ((alice, a), (_, b)) = (bench.reachable("alice"), bench.reachable("bobby"));
    let packages = (0..50).map(|n| package(n, u64::MAX)).collect();
    room(&mut bench, a, RoomAsk::PutKeyPackages { packages, last_resort: None });
    let ask = RoomAsk::ClaimKeyPackages { account: alice.account, devices: vec![] };
    let mut claims = 0;
    while let ServerMessage::Room(_) = bench.ask(b, ClientMessage::Room(ask.clone())) {
        claims += 1;
    }
    assert_eq!(claims, 20);
}
