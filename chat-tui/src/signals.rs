//! Being asked to end.

use std::io;

/// Ends when the program is asked to end: SIGTERM, SIGINT, SIGHUP. Listens from the call on, not only
/// once awaited.
///
/// # Errors
/// When a handler can't be installed.
#[cfg(unix)]
pub fn ended() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

/// Ends when the program is asked to end: Ctrl-C.
///
/// # Errors
/// Never here.
#[cfg(not(unix))]
pub fn ended() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
