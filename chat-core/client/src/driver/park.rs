//! Waiting on the driver's own thread: to the point, and without a runtime whose timers wake in between.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future on this thread; none when the deadline comes first.
pub(super) fn wait<F: Future>(future: F, deadline: Option<Instant>) -> Option<F::Output> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        // A wake between the poll and here is kept: parking then returns at once.
        match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
            None => thread::park(),
            Some(left) if left.is_zero() => return None,
            Some(left) => thread::park_timeout(left),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn what_another_thread_sends_ends_the_wait_and_so_does_the_deadline() {
        let (sender, receiver) = oneshot::channel();
        let sending = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            sender.send(7)
        });
        assert_eq!(wait(receiver, None), Some(Ok(7)));
        assert_eq!(sending.join().unwrap(), Ok(()));
        let begun = Instant::now();
        let deadline = begun.checked_add(Duration::from_millis(30));
        assert_eq!(wait(std::future::pending::<()>(), deadline), None);
        assert!(begun.elapsed() >= Duration::from_millis(30));
    }
}
