//! What many do at once: a room of hundreds, one of whom stops reading; thousands who come back together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::phases::{Row, Size, people};
use crate::server::{Kind, Server};
use crate::user::{Heard, Name, TEXT_BYTES, User};

/// Broadcasts under way at once.
const UNDER_WAY: usize = 4;

/// A reader acknowledges so many messages together.
const ACKNOWLEDGED_TOGETHER: u64 = 16;

/// Bytes of a message beside a reader that stops: enough of them to fill what the system buffers.
const LARGE_BYTES: usize = 8 * 1024;

/// How often each broadcast was read, and what that allows.
struct Tally {
    read: Vec<AtomicU64>,
    readers: u64,
    may_post: Semaphore,
}

/// Reads until `count` messages have come, each once and in order; how long each took.
async fn read(mut user: User, tally: Arc<Tally>, start: Instant) -> Vec<u64> {
    let (mut latencies, mut heard) = (Vec::new(), Vec::new());
    while latencies.len() < tally.read.len() {
        user.hear(&mut heard).await;
        for one in heard.drain(..) {
            let Heard::Posted(at, number) = one else { continue };
            assert_eq!(number, latencies.len() as u64, "each once, in order");
            latencies.push((start.elapsed().as_nanos() as u64).saturating_sub(at));
            if tally.read[number as usize].fetch_add(1, Ordering::Relaxed) + 1 == tally.readers {
                tally.may_post.add_permits(1);
            }
        }
        if (latencies.len() as u64).is_multiple_of(ACKNOWLEDGED_TOGETHER) || latencies.len() == tally.read.len() {
            user.flush().await;
        }
    }
    latencies
}

async fn write(mut user: User, tally: Arc<Tally>, bytes: usize, start: Instant) {
    let mut heard = Vec::new();
    for number in 0..tally.read.len() as u64 {
        tally.may_post.acquire().await.unwrap().forget();
        user.post(number, bytes, start);
        user.flush().await;
        let mut accepted = false;
        while !accepted {
            user.hear(&mut heard).await;
            accepted = heard.drain(..).any(|one| one == Heard::Accepted);
        }
    }
}

/// Everybody of a room, reading it, and the one who writes.
async fn gather(server: &Server, count: u32) -> (User, Vec<User>) {
    let people = people(server, count + 1).await;
    let (first, rest) = people.split_first().unwrap();
    let mut writer = User::login(server.kind, server.place, first, 1).await;
    if server.kind != Kind::Control {
        writer.make_room(rest).await;
    }
    let mut readers = Vec::new();
    for name in rest {
        let mut reader = User::login(server.kind, server.place, name, 1).await;
        reader.join().await;
        readers.push(reader);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    (writer, readers)
}

fn tally(posts: u64, readers: usize, under_way: usize) -> Arc<Tally> {
    let read = (0..posts).map(|_| AtomicU64::new(0)).collect();
    Arc::new(Tally { read, readers: readers as u64, may_post: Semaphore::new(under_way) })
}

/// One stored message to everybody in a room.
pub async fn broadcast(server: &Server, size: Size) {
    let (writer, readers) = gather(server, size.readers).await;
    let (cpu, start) = (server.time(), Instant::now());
    let tally = tally(size.posts, readers.len(), UNDER_WAY);
    let tasks: JoinSet<_> = readers.into_iter().map(|reader| read(reader, Arc::clone(&tally), start)).collect();
    let writing = tokio::spawn(write(writer, tally, TEXT_BYTES, start));
    let latencies: Vec<u64> = tasks.join_all().await.into_iter().flatten().collect();
    writing.await.unwrap();
    let count = latencies.len() as u64;
    let job = "broadcast, each delivery";
    Row { job, server, count }.print(server.time() - cpu, start.elapsed(), Some(latencies));
}

/// The same with and without one who stops reading; afterwards that one reads on, and misses nothing.
pub async fn slow_reader(server: &Server, size: Size) {
    for (job, with) in [("broadcast of 8 KiB", false), ("the same, one stopped reading", true)] {
        let one = Server::start(server.kind);
        let (writer, mut readers) = gather(&one, size.readers).await;
        let before = one.memory();
        let stopped = if with { readers.pop() } else { None };
        let (cpu, start) = (one.time(), Instant::now());
        let all = tally(size.posts, readers.len(), UNDER_WAY);
        let tasks: JoinSet<_> = readers.into_iter().map(|reader| read(reader, Arc::clone(&all), start)).collect();
        let writing = tokio::spawn(write(writer, all, LARGE_BYTES, start));
        let latencies: Vec<u64> = tasks.join_all().await.into_iter().flatten().collect();
        writing.await.unwrap();
        let count = latencies.len() as u64;
        Row { job, server: &one, count }.print(one.time() - cpu, start.elapsed(), Some(latencies));
        if let Some(stopped) = stopped {
            let grown = one.memory().saturating_sub(before);
            let missed = tally(size.posts, 1, 0);
            let got = tokio::time::timeout(Duration::from_secs(30), read(stopped, missed, start)).await.unwrap();
            println!(
                "{:<34}{:>12}    the relay grew by {grown} KiB; it read on: {} of {}, in order",
                "",
                "",
                got.len(),
                size.posts
            );
        }
    }
}

/// Everybody comes back at once: all are let in with the first connection that they make.
pub async fn storm(server: &Server, size: Size) {
    let people = people(server, size.crowd).await;
    let (failed, mut failures) = mpsc::unbounded_channel();
    let (cpu, start) = (server.time(), Instant::now());
    let mut tasks = JoinSet::new();
    for name in &people {
        let Name::Person(person) = name.clone() else { continue };
        let (kind, place, failed) = (server.kind, server.place, failed.clone());
        tasks.spawn(async move {
            match User::come_back(kind, place, &person).await {
                Ok(user) => Some((user, start.elapsed().as_nanos() as u64)),
                Err(why) => {
                    let _ = failed.send(why);
                    None
                }
            }
        });
    }
    let back: Vec<(User, u64)> = tasks.join_all().await.into_iter().flatten().collect();
    drop(failed);
    assert_eq!(failures.recv().await, None, "none is refused");
    assert_eq!(back.len(), people.len(), "all are back");
    let (took, cpu, count) = (start.elapsed(), server.time() - cpu, back.len() as u64);
    let (users, latencies): (Vec<User>, Vec<u64>) = back.into_iter().unzip();
    Row { job: "everybody comes back at once", server, count }.print(cpu, took, Some(latencies));
    println!("{:<34}{:>12}    {count} of {count} are back, 0 refused, {:.1} s", "", "", took.as_secs_f64());
    drop(users);
}
