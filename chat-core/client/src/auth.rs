//! Registration and login by password: OPAQUE (RFC 9807) through chat-login, on a connection whose
//! relay proved its identity. The password never leaves this file, its keys only towards the engine.

mod account;

use bytes::Bytes;
use chat_core::engine::{
    Answer, Command, Enrollment, ExportKey, Failure, FailureKind, Query, Reply, Resumption, Status,
};
use chat_core::identity::password::Assessment;
use chat_login::client::{LoginError, LoginStart, RegistrationStart};
use chat_login::{Identities, Profile, Terms};
use chat_wire::ids::{AccountId, UserName};
use chat_wire::limits::PROTOCOL_VERSION;
use chat_wire::message::{ClientMessage, ServerMessage};
use getrandom::SysRng;
use rand_core::UnwrapErr;
use serde_bytes::ByteBuf;
use tokio::task::spawn_blocking;
use tokio::time::{Duration, Instant, sleep};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::driver::{Door, Mailbox, Ready, Task};
use crate::estimate::Estimator;
use crate::request::{Credentials, LoggedIn, Password, Registered, Registration, RelayIdentity};

pub(crate) use account::{change_password, delete_account, recover, set_approval};

/// Time that a device waits to be let in by another one: as long as the relay keeps such a wish.
const WAIT_TIME_MAX: Duration = Duration::from_hours(24);

/// Pause between two attempts to reach the relay meanwhile.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// Attempts of one exchange: the relay closes connections that do not log in, now and then just while
/// a password is being stretched.
const ATTEMPTS_MAX: u32 = 3;

/// How long a registration or login waits until the device is in its rooms: some exchanges with the relay. With a
/// slow one it says that it is done, and the rooms follow.
const SETTLE_TIME_MAX: Duration = Duration::from_secs(5);
/// Between two looks at that.
const SETTLE_LOOK: Duration = Duration::from_millis(10);

/// What came of a registration, login or recovery, once the device is in the rooms that it can enter by itself: who
/// writes to the lobby next finds it.
pub(crate) async fn settled<T>(
    mailbox: Mailbox,
    entering: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let entered = entering.await?;
    let until = Instant::now() + SETTLE_TIME_MAX;
    while Instant::now() < until && status(&mailbox).await.is_ok_and(|status| status.logged_in && !status.settled) {
        sleep(SETTLE_LOOK).await;
    }
    Ok(entered)
}

pub(crate) async fn register(
    mailbox: Mailbox,
    mut door: Door,
    estimator: Estimator,
    registration: Registration,
) -> Result<Registered, Failure> {
    let username = user_name(&registration.username)?;
    let password = normalised(&registration.password);
    let display_name = registration.display_name;
    let own_words = vec![username.to_string(), display_name.clone().unwrap_or_default()];
    let assessment = assessed(&estimator, &password, own_words).await?;
    if !assessment.acceptable() {
        return Err(Failure { unmet: assessment.unmet, ..Failure::of(FailureKind::WeakPassword) });
    }
    let status = status(&mailbox).await?;
    let unfinished = status.registering.as_ref() == Some(&username);
    if status.enrolled {
        let finish = finish_registration(&mailbox, &mut door, &username, &password);
        return if unfinished { finish.await } else { Err(Failure::of(FailureKind::Forbidden)) };
    }
    let mut attempt = 1;
    let (ready, registered) = loop {
        let ready = door.ready().await?;
        match start_account(&ready, &username, &password, registration.invite.clone()).await {
            Err(failure) if lost(&failure) && attempt < ATTEMPTS_MAX => attempt += 1,
            Err(failure) if unfinished && failure.kind == FailureKind::UsernameTaken => {
                return finish_registration(&mailbox, &mut door, &username, &password).await;
            }
            result => break (ready, result?),
        }
    };
    let enrollment = Enrollment {
        route: ready.route,
        username,
        display_name,
        device_name: registration.device_name,
        invite: registration.invite,
        record: Bytes::copy_from_slice(&registered.record),
        export_key: ExportKey(registered.export_key),
        kp: Profile::DEFAULT.number(),
    };
    enrolled(mailbox.ask(|answer| Task::Command(Command::Enroll(Box::new(enrollment)), answer)).await?)
}

/// The account of an earlier attempt stands, and its password opens it: what is left is to let this device in and to
/// tell the recovery code.
async fn finish_registration(
    mailbox: &Mailbox,
    door: &mut Door,
    username: &UserName,
    password: &Zeroizing<String>,
) -> Result<Registered, Failure> {
    let proof = proven(door, username, password).await;
    let (ready, proven) = proof.map_err(|failure| match failure.kind {
        // Whoever knows another password does not own the name.
        FailureKind::BadCredentials => Failure::of(FailureKind::UsernameTaken),
        _ => failure,
    })?;
    let resumption = Resumption { finishes_registration: true, ..resumption(&ready, username, None, proven) };
    enrolled(mailbox.ask(|answer| Task::Command(Command::Resume(Box::new(resumption)), answer)).await?)
}

fn enrolled(reply: Reply) -> Result<Registered, Failure> {
    match reply {
        Reply::Enrolled { username, device, recovery_code } => Ok(Registered { username, device, recovery_code }),
        _ => Err(Failure::of(FailureKind::Internal)),
    }
}

pub(crate) async fn login(mailbox: Mailbox, mut door: Door, credentials: Credentials) -> Result<LoggedIn, Failure> {
    let username = user_name(&credentials.username)?;
    let password = normalised(&credentials.password);
    let status = status(&mailbox).await?;
    if status.username.as_ref().is_some_and(|own| *own != username) {
        // Another account has its own profile.
        return Err(Failure::of(FailureKind::Forbidden));
    }
    let enrolled = status.account.filter(|_| status.enrolled && !status.logged_in);
    let (ready, proof) = match (proven(&mut door, &username, &password).await, enrolled) {
        (Err(failure), Some(account)) if failure.kind == FailureKind::RateLimited => {
            return come_back(&mailbox, &mut door, (account, &username, &password), failure).await;
        }
        (proof, _) => proof?,
    };
    if status.logged_in && status.account == Some(proof.account) {
        // The device had let itself in already: the password was all there was to check.
        let device = status.device.ok_or_else(|| Failure::of(FailureKind::Internal))?;
        return Ok(LoggedIn { username, device, new_device: false });
    }
    let resumed = resumption(&ready, &username, credentials.device_name.clone(), proof);
    let mut result = resume(&mailbox, resumed).await;
    let began = Instant::now();
    while let Err(failure) = &result {
        // Another device is to let this one in, and may take its time: a connection that breaks meanwhile is made again.
        let waits = lost(failure) && is_waiting(&mailbox).await? && began.elapsed() < WAIT_TIME_MAX;
        if !waits {
            break;
        }
        match proven(&mut door, &username, &password).await {
            Ok((ready, proof)) => {
                let resumed = resumption(&ready, &username, credentials.device_name.clone(), proof);
                result = resume(&mailbox, resumed).await;
            }
            Err(failure) if lost(&failure) || failure.kind == FailureKind::Timeout => sleep(RETRY_PAUSE).await,
            Err(failure) => result = Err(failure),
        }
    }
    result
}

/// Others have used up the guesses of the account: a device of it shows its key first, and its password is then counted
/// apart from theirs (SPEC 9.5.3). A wrong one logs it out again.
async fn come_back(
    mailbox: &Mailbox,
    door: &mut Door,
    (account, username, password): (AccountId, &UserName, &Zeroizing<String>),
    limited: Failure,
) -> Result<LoggedIn, Failure> {
    let ready = door.ready().await?;
    let (export_key, none) = (Zeroizing::new([0; 64]), Bytes::new());
    let proof = Proven { export_key, kp: Profile::DEFAULT.number(), account, list: none.clone(), vault: none };
    let Ok(back) = resume(mailbox, resumption(&ready, username, None, proof)).await else { return Err(limited) };
    match prove_password(&ready, username, password).await {
        Ok(proof) if proof.account == account => Ok(back),
        checked => {
            mailbox.ask(|answer| Task::Command(Command::Logout { forget: false }, answer)).await?;
            Err(checked.err().unwrap_or(limited))
        }
    }
}

/// Whether this device waits to be let in by another one.
async fn is_waiting(mailbox: &Mailbox) -> Result<bool, Failure> {
    Ok(status(mailbox).await?.awaiting.is_some())
}

async fn resume(mailbox: &Mailbox, resumption: Resumption) -> Result<LoggedIn, Failure> {
    match mailbox.ask(|answer| Task::Command(Command::Resume(Box::new(resumption)), answer)).await? {
        Reply::LoggedIn { username, device, new_device } => Ok(LoggedIn { username, device, new_device }),
        _ => Err(Failure::of(FailureKind::Internal)),
    }
}

fn resumption(ready: &Ready, username: &UserName, device_name: Option<String>, proven: Proven) -> Resumption {
    Resumption {
        route: ready.route,
        username: username.clone(),
        device_name,
        export_key: ExportKey(proven.export_key),
        kp: proven.kp,
        account: proven.account,
        list: proven.list,
        vault: proven.vault,
        finishes_registration: false,
    }
}

/// A right password on a connection; a connection lost meanwhile is replaced.
async fn proven(
    door: &mut Door,
    username: &UserName,
    password: &Zeroizing<String>,
) -> Result<(Ready, Proven), Failure> {
    let mut attempt = 1;
    loop {
        let ready = door.ready().await?;
        match prove_password(&ready, username, password).await {
            Err(failure) if lost(&failure) && attempt < ATTEMPTS_MAX => attempt += 1,
            result => return Ok((ready, result?)),
        }
    }
}

pub(crate) async fn relay_identity(mut door: Door) -> Result<RelayIdentity, Failure> {
    door.identity().await
}

/// What a password lacks, and whether it is strong.
pub(crate) async fn assess_password(
    estimator: Estimator,
    username: String,
    password: Password,
) -> Result<Assessment, Failure> {
    assessed(&estimator, &normalised(&password), vec![username]).await
}

async fn assessed(
    estimator: &Estimator,
    password: &Zeroizing<String>,
    own_words: Vec<String>,
) -> Result<Assessment, Failure> {
    let assessment = estimator.assess(Zeroizing::clone(password), own_words).await;
    assessment.ok_or_else(|| Failure::of(FailureKind::Internal))
}

/// OPAQUE's two messages of a registration.
async fn start_account(
    ready: &Ready,
    username: &UserName,
    password: &Zeroizing<String>,
    invite: Option<String>,
) -> Result<chat_login::client::Registered, Failure> {
    let (start, request) = RegistrationStart::new(password.as_bytes(), &mut UnwrapErr(SysRng)).map_err(failure)?;
    let message = ClientMessage::Register1 { name: username.clone(), request: ByteBuf::from(request), invite };
    let ServerMessage::Register1Reply { response } = ready.ask(message).await.and_then(refused)? else {
        return Err(Failure::of(FailureKind::Internal));
    };
    let (name, relay) = (username.clone(), ready.relay);
    blocking(move || {
        let identities = Identities { name: name.as_str(), relay_id: &relay.0 };
        start.finish(&response, &identities, Profile::DEFAULT, &mut UnwrapErr(SysRng)).map_err(failure)
    })
    .await?
}

/// What a right password brings.
struct Proven {
    export_key: Zeroizing<[u8; 64]>,
    kp: u8,
    account: AccountId,
    list: Bytes,
    vault: Bytes,
}

/// OPAQUE's three messages of a login.
async fn prove_password(ready: &Ready, username: &UserName, password: &Zeroizing<String>) -> Result<Proven, Failure> {
    let (start, ke1) = LoginStart::new(password.as_bytes(), &mut UnwrapErr(SysRng)).map_err(failure)?;
    let message = ClientMessage::Ke1 { name: username.clone(), ke1: ByteBuf::from(ke1) };
    let ServerMessage::Ke2 { ke2, kp } = ready.ask(message).await.and_then(refused)? else {
        return Err(Failure::of(FailureKind::Internal));
    };
    let (name, relay, exporter) = (username.clone(), ready.relay, ready.exporter);
    let finished = blocking(move || {
        let identities = Identities { name: name.as_str(), relay_id: &relay.0 };
        let terms = Terms { identities, protocol: PROTOCOL_VERSION, exporter: &exporter, kp };
        start.finish(&ke2, &terms, &mut UnwrapErr(SysRng)).map_err(failure)
    })
    .await??;
    let message = ClientMessage::Ke3 { ke3: ByteBuf::from(finished.ke3) };
    match ready.ask(message).await.and_then(refused)? {
        ServerMessage::PasswordOk { account, list, vault } => Ok(Proven {
            export_key: finished.export_key,
            kp,
            account,
            list: Bytes::from(list.into_vec()),
            vault: Bytes::from(vault.into_vec()),
        }),
        _ => Err(Failure::of(FailureKind::Internal)),
    }
}

/// Stretching a password takes hundreds of milliseconds and 64 MiB: not where others wait.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    spawn_blocking(work).await.map_err(|_| Failure::of(FailureKind::Internal))
}

async fn status(mailbox: &Mailbox) -> Result<Status, Failure> {
    match mailbox.ask(|answer| Task::Query(Query::Status, answer)).await? {
        Answer::Status(status) => Ok(status),
        _ => Err(Failure::of(FailureKind::Internal)),
    }
}

fn user_name(text: &str) -> Result<UserName, Failure> {
    UserName::parse(text).map_err(|_| Failure::of(FailureKind::InvalidParams))
}

/// Unicode NFC (SPEC 9.3.2): the same password from another keyboard is the same bytes.
fn normalised(password: &Password) -> Zeroizing<String> {
    let text = password.expose();
    // NFC is at most three times as long in UTF-8; a string that grew would leave copies behind.
    let mut normal = Zeroizing::new(String::with_capacity(text.len().saturating_mul(3)));
    normal.extend(text.nfc());
    normal
}

/// The connection went away: worth another try on a new one.
fn lost(failure: &Failure) -> bool {
    failure.kind == FailureKind::Offline
}

fn refused(answer: ServerMessage) -> Result<ServerMessage, Failure> {
    match answer {
        ServerMessage::Refused(refusal) => Err(Failure::from(&refusal)),
        answer => Ok(answer),
    }
}

/// A relay that breaks the exchange, or names a profile outside the table, is not to be logged in to.
fn failure(error: LoginError) -> Failure {
    Failure::of(match error {
        LoginError::BadCredentials => FailureKind::BadCredentials,
        LoginError::PasswordLength => FailureKind::InvalidParams,
        LoginError::Malformed | LoginError::UnknownProfile(_) => FailureKind::Integrity,
        _ => FailureKind::Internal,
    })
}
