//! What a service manager wants to know (`sd_notify(3)`): when the relay is ready, reloads or stops, and now and
//! then that it still works. Without a manager nothing is said.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Where the manager listens, and how long it waits for a sign of life.
#[derive(Debug)]
pub struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
    watchdog: Option<Duration>,
}

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Connections are accepted.
    Ready,
    /// The configuration is read again.
    Reloading,
    /// The relay ends.
    Stopping,
    /// It still works.
    Alive,
}

impl Manager {
    /// The manager that started this process, if one did and wants to hear.
    ///
    /// # Errors
    /// What is in the way of its socket.
    pub fn of_this_process() -> io::Result<Option<Self>> {
        let Some(path) = env::var_os("NOTIFY_SOCKET") else { return Ok(None) };
        let period = env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok());
        let ours = env::var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
        Self::at(&path, period.filter(|_| ours).map(Duration::from_micros)).map(Some)
    }

    fn at(path: &OsStr, watchdog: Option<Duration>) -> io::Result<Self> {
        Ok(Self { socket: UnixDatagram::unbound()?, address: address(path)?, watchdog })
    }

    /// Between two signs of life: half of what the manager waits for.
    #[must_use]
    pub fn alive_interval(&self) -> Option<Duration> {
        self.watchdog.map(|period| period / 2)
    }

    /// Tells it. A manager that does not take it finds out in its own ways.
    pub fn tell(&self, news: News) {
        let text = match news {
            News::Ready => "READY=1".to_owned(),
            News::Reloading => format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_micros()),
            News::Stopping => "STOPPING=1".to_owned(),
            News::Alive => "WATCHDOG=1".to_owned(),
        };
        let _ = self.socket.send_to_addr(text.as_bytes(), &self.address);
    }
}

#[cfg(target_os = "linux")]
fn address(path: &OsStr) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::ffi::OsStrExt as _;
    match path.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(path),
    }
}

#[cfg(not(target_os = "linux"))]
fn address(path: &OsStr) -> io::Result<SocketAddr> {
    SocketAddr::from_pathname(path)
}

fn monotonic_micros() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1_000)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::ffi::OsString;
    use std::os::linux::net::SocketAddrExt as _;

    #[test]
    fn a_manager_hears_in_order_on_a_path_and_on_an_abstract_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let on_path = UnixDatagram::bind(&path).unwrap();
        let name = format!("chat-server-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let abstract_one = UnixDatagram::bind_addr(&address).unwrap();
        for (socket, place) in [(on_path, path.into_os_string()), (abstract_one, format!("@{name}").into())] {
            let place: OsString = place;
            let manager = Manager::at(&place, Some(Duration::from_secs(30))).unwrap();
            assert_eq!(manager.alive_interval(), Some(Duration::from_secs(15)));
            for news in [News::Ready, News::Alive, News::Reloading, News::Stopping] {
                manager.tell(news);
            }
            let mut heard = Vec::new();
            for _ in 0..4 {
                let mut bytes = [0; 100];
                let len = socket.recv(&mut bytes).unwrap();
                heard.push(String::from_utf8_lossy(&bytes[..len]).into_owned());
            }
            assert_eq!((&heard[0][..], &heard[1][..], &heard[3][..]), ("READY=1", "WATCHDOG=1", "STOPPING=1"));
            assert!(heard[2].starts_with("RELOADING=1\nMONOTONIC_USEC="), "{heard:?}");
        }
    }
}
