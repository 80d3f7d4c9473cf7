//! Handshakes take turns. When thousands of clients come back at once, all of them begun together would all end
//! together, the last like the first, and many after the time that a handshake may take. In turns the first are
//! in while the others wait, and nobody's time runs before the turn.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Handshakes at once: enough to keep every core busy while others wait for their peers' answers.
const HANDSHAKES_AT_ONCE: usize = 256;

/// How long a handshake may keep its turn. One that takes longer waits for its peer and costs nothing: others
/// go on beside it, so that nobody holds the door by saying half a word.
const TURN_TIME_MAX: Duration = Duration::from_secs(1);

/// The queue, in order of arrival.
#[derive(Debug, Clone)]
pub(crate) struct Turns(Arc<Semaphore>);

/// A handshake took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Late;

impl Turns {
    pub(crate) fn new() -> Self {
        Self::of(HANDSHAKES_AT_ONCE)
    }

    fn of(at_once: usize) -> Self {
        Self(Arc::new(Semaphore::new(at_once)))
    }

    /// Shakes hands when the turn comes. The peer has `patience` to begin and to end; waiting for the turn does
    /// not count, and who has not said a word waits outside the queue.
    pub(crate) async fn take<F: Future>(
        &self,
        socket: TcpStream,
        patience: Duration,
        shake: impl FnOnce(TcpStream) -> F,
    ) -> Result<F::Output, Late> {
        let since = Instant::now();
        // An error shows in the handshake.
        let _ = tokio::time::timeout(patience, socket.readable()).await.map_err(|_| Late)?;
        let left = patience.saturating_sub(since.elapsed());
        let turn = self.0.acquire().await;
        let mut shaking = std::pin::pin!(tokio::time::timeout(left, shake(socket)));
        let shaken = tokio::select! {
            biased;
            shaken = &mut shaking => shaken,
            () = tokio::time::sleep(TURN_TIME_MAX) => {
                drop(turn);
                shaking.await
            }
        };
        shaken.map_err(|_| Late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    /// A socket whose peer has said something, and the peer.
    async fn greeted(listener: &TcpListener) -> (TcpStream, TcpStream) {
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        peer.write_all(b"!").await.unwrap();
        (listener.accept().await.unwrap().0, peer)
    }

    #[tokio::test]
    async fn a_crowd_shakes_hands_a_few_at_a_time_and_waiting_costs_nobody_the_time_for_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (turns, now, most) = (Turns::of(2), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (mut tasks, mut peers) = (tokio::task::JoinSet::new(), Vec::new());
        for _ in 0..10 {
            let (socket, peer) = greeted(&listener).await;
            peers.push(peer);
            let (turns, now, most) = (turns.clone(), Arc::clone(&now), Arc::clone(&most));
            tasks.spawn(async move {
                let shake = |_| async {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(60)).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                };
                turns.take(socket, Duration::from_millis(150), shake).await
            });
        }
        // The last waits 240 ms for its turn, longer than a handshake may take.
        assert!(tasks.join_all().await.iter().all(Result::is_ok));
        assert_eq!(most.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn who_says_nothing_or_half_a_word_keeps_nobody_out() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let turns = Turns::of(1);
        let silent = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (unsaid, _) = listener.accept().await.unwrap();
        let (half, _half_peer) = greeted(&listener).await;
        let (whole, _whole_peer) = greeted(&listener).await;
        let since = Instant::now();
        let patience = Duration::from_secs(3);
        let (first, second) = (turns.clone(), turns.clone());
        let never = tokio::spawn(async move { first.take(unsaid, patience, |_| std::future::pending::<()>()).await });
        let stuck = tokio::spawn(async move { second.take(half, patience, |_| std::future::pending::<()>()).await });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(turns.take(whole, patience, |_| async {}).await, Ok(()));
        assert!(since.elapsed() < Duration::from_millis(2_500), "{:?}", since.elapsed());
        assert_eq!((never.await.unwrap(), stuck.await.unwrap()), (Err(Late), Err(Late)));
        drop(silent);
    }
}
