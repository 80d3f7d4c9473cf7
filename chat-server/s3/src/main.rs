//! Runs a command beside a local server that speaks S3, and ends as the command does. The server has one empty
//! bucket, `blobs`; where it is and who may use it stands in the variables that every tool for S3 reads.
//!
//! ```sh
//! cargo run --manifest-path chat-server/s3/Cargo.toml -- \
//!     cargo test -p chat-server --features s3_tests --lib --test it s3
//! ```

use std::process::ExitCode;

use anyhow::Context as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::process::Command;

/// Who may use the server: requests are signed, and it checks the signatures.
const ACCESS_KEY: &str = "relay";
const SECRET_KEY: &str = "only-for-tests";

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    let program = words.next().context("which command is to run beside the server?")?;
    let root = tempfile::tempdir()?;
    std::fs::create_dir(root.path().join("blobs"))?;
    let files = FileSystem::new(root.path()).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
    let service = service.build();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                // A client that goes away is its own affair.
                let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    let mut command = Command::new(program);
    command.args(words).env("AWS_ENDPOINT", &endpoint).env("AWS_ALLOW_HTTP", "true").env("AWS_REGION", "us-east-1");
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    let status = command.status().await.context("the command does not start")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
