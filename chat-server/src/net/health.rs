//! A page for Prometheus and two for whoever watches the process, over plain HTTP on an address of its
//! own. Three paths, no bodies, one request a connection: a web server would be more to attack.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::metrics::{Metrics, Readiness};

/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 4 * 1_024;

/// Time for one request and its answer.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(5);

/// Requests at once.
const REQUESTS_MAX: usize = 8;

/// Pause after a failed accept.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Answers until dropped.
pub(crate) async fn serve(listener: TcpListener, metrics: Arc<Metrics>, readiness: Arc<Readiness>) {
    let places = Arc::new(Semaphore::new(REQUESTS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_RETRY).await;
            continue;
        };
        let (metrics, readiness) = (Arc::clone(&metrics), Arc::clone(&readiness));
        tokio::spawn(async move {
            let _ = tokio::time::timeout(REQUEST_TIME_MAX, answer(socket, &metrics, &readiness)).await;
            drop(place);
        });
    }
}

async fn answer(mut socket: TcpStream, metrics: &Metrics, readiness: &Readiness) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        if socket.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let (status, kind, body) = page(&head, metrics, readiness);
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nCache-Control: no-store\r\n\
         Connection: close\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await?;
    socket.write_all(body.as_bytes()).await?;
    socket.shutdown().await
}

const TEXT: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

fn page(head: &[u8], metrics: &Metrics, readiness: &Readiness) -> (&'static str, &'static str, String) {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let parsed = request.parse(head);
    let (Ok(httparse::Status::Complete(_)), Some(method), Some(path)) = (parsed, request.method, request.path) else {
        return ("400 Bad Request", TEXT, "no request\n".to_owned());
    };
    if method != "GET" {
        return ("405 Method Not Allowed", TEXT, "only GET\n".to_owned());
    }
    match path {
        "/metrics" => ("200 OK", OPEN_METRICS, metrics.page()),
        "/livez" => ("200 OK", TEXT, "alive\n".to_owned()),
        "/readyz" if readiness.is_ready() => ("200 OK", TEXT, "ready\n".to_owned()),
        "/readyz" => ("503 Service Unavailable", TEXT, "not ready\n".to_owned()),
        _ => ("404 Not Found", TEXT, "/metrics, /livez, /readyz\n".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(head: &str, readiness: &Readiness) -> &'static str {
        page(head.as_bytes(), &Metrics::new(), readiness).0
    }

    #[test]
    fn three_paths_are_answered_and_nothing_else() {
        let readiness = Readiness::default();
        let ask = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(status(&ask("/readyz"), &readiness), "503 Service Unavailable");
        readiness.ready();
        assert_eq!(status(&ask("/readyz"), &readiness), "200 OK");
        readiness.ending();
        readiness.ready();
        assert_eq!(status(&ask("/readyz"), &readiness), "503 Service Unavailable", "an end is an end");
        assert_eq!(status(&ask("/livez"), &readiness), "200 OK");
        assert_eq!(status(&ask("/metrics"), &readiness), "200 OK");
        assert_eq!(status(&ask("/"), &readiness), "404 Not Found");
        assert_eq!(status("POST /metrics HTTP/1.1\r\n\r\n", &readiness), "405 Method Not Allowed");
        assert_eq!(status("nonsense\r\n\r\n", &readiness), "400 Bad Request");
    }
}
