//! Waking at a time, once. A runtime's own timers lie in a wheel that wakes up to three times on the way to
//! one that is seconds off; on Linux the kernel keeps this one.

use std::time::Instant;

/// The one timer of the driver's thread.
#[derive(Debug)]
pub(super) struct Alarm {
    #[cfg(target_os = "linux")]
    clock: Option<linux::Clock>,
}

impl Alarm {
    /// Within a runtime; without the kernel's timer, that one's are used.
    pub(super) fn new() -> Self {
        Self {
            #[cfg(target_os = "linux")]
            clock: linux::Clock::new().ok(),
        }
    }

    /// Ends when the time has come; never without one.
    pub(super) async fn at(&mut self, at: Option<Instant>) {
        #[cfg(target_os = "linux")]
        if let Some(clock) = &mut self.clock
            && clock.at(at).await.is_ok()
        {
            return;
        }
        match at {
            Some(at) => tokio::time::sleep_until(at.into()).await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::{Duration, Instant};

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// A timer of the kernel.
    #[derive(Debug)]
    pub(super) struct Clock {
        timer: AsyncFd<OwnedFd>,
        set: Option<Instant>,
    }

    impl Clock {
        #[expect(deprecated, reason = "sound for a descriptor that is owned; its successor is an unsafe function")]
        pub(super) fn new() -> io::Result<Self> {
            let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
            Ok(Self { timer: AsyncFd::with_interest(timer, Interest::READABLE)?, set: None })
        }

        /// Ends at the time; what it was set to before counts no longer.
        pub(super) async fn at(&mut self, at: Option<Instant>) -> io::Result<()> {
            if self.set != at {
                let left = at.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()));
                if at.is_some() && left.is_zero() {
                    return Ok(());
                }
                self.set(left)?;
                self.set = at;
            }
            loop {
                let mut ready = self.timer.readable().await?;
                // How often it has rung is of no interest; reading makes it quiet.
                let _ = ready.try_io(|timer| Ok(rustix::io::read(timer, &mut [0; 8])?));
                if at.is_some_and(|at| at <= Instant::now()) {
                    self.set = None;
                    return Ok(());
                }
            }
        }

        /// Zero stops it.
        fn set(&self, left: Duration) -> io::Result<()> {
            let none = Timespec { tv_sec: 0, tv_nsec: 0 };
            let value = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(left.subsec_nanos()),
            };
            let times = Itimerspec { it_interval: none, it_value: value };
            timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &times)?;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn it_rings_when_it_is_time_and_not_for_a_time_that_counts_no_longer() {
        let mut alarm = Alarm::new();
        let begun = Instant::now();
        let soon = begun.checked_add(Duration::from_millis(20));
        let later = begun.checked_add(Duration::from_millis(60));
        assert!(timeout(Duration::from_millis(1), alarm.at(soon)).await.is_err());
        alarm.at(later).await;
        assert!(begun.elapsed() >= Duration::from_millis(60), "the first time was replaced");
        alarm.at(soon).await;
        assert!(timeout(Duration::from_millis(30), alarm.at(None)).await.is_err(), "without a time it never rings");
        let again = Instant::now().checked_add(Duration::from_millis(10));
        alarm.at(again).await;
        assert!(Instant::now() >= again.unwrap());
    }
}
