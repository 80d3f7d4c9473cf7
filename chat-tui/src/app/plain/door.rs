//! Signing in and registering by questions.

use chat_client::{Client, Credentials, Password, Registration, RelayAddress, RelayTrust};
use zeroize::Zeroizing;

use super::lines::{Lines, say};
use crate::app::intake;
use crate::model::{Name, Problem};
use crate::text::SafeText;

/// Comes in, by whatever the person has; none when nobody is there any more.
pub(super) async fn enter(client: &Client, lines: &mut Lines, enrolled: Option<&Name>) -> Option<()> {
    trust(client, lines).await?;
    loop {
        let done = match enrolled {
            Some(name) => sign_in(client, lines, name.as_str().to_owned()).await?,
            None => match lines.ask("Do you have an account? yes or no:").await?.as_str() {
                "y" | "yes" => {
                    let name = lines.ask("Name:").await?;
                    sign_in(client, lines, name).await?
                }
                "n" | "no" => register(client, lines).await?,
                _ => continue,
            },
        };
        match done {
            Ok(()) => return Some(()),
            Err(problem) => say(&problem.sentence()),
        }
    }
}

/// Nothing secret is typed for a relay that nobody vouches for.
async fn trust(client: &Client, lines: &mut Lines) -> Option<()> {
    loop {
        if client.connection().relay.is_none() {
            let address = lines.ask("Relay, as host or host:port:").await?;
            let Ok(address) = address.parse::<RelayAddress>() else {
                say("That is no address.");
                continue;
            };
            if let Err(failure) = client.connect_to(address).await {
                say(&intake::problem(&failure).sentence());
                continue;
            }
        }
        match client.relay_identity().await {
            Ok(identity) if matches!(identity.trust, RelayTrust::Unknown) => {
                let pin: String = identity.pin.0.chunks(2).map(|pair| format!("{} ", hex(pair))).collect();
                say("Nobody vouches for this relay's certificate. Its fingerprint, sha256:");
                say(pin.trim_end());
                let answer = lines.ask("Is this what its operator gave you? yes or no:").await?;
                if matches!(answer.as_str(), "y" | "yes") && client.trust_certificate(identity.pin).await.is_ok() {
                    return Some(());
                }
                say("Not trusted, and nothing was sent.");
            }
            Ok(_) => return Some(()),
            Err(failure) => {
                say(&intake::problem(&failure).sentence());
                lines.ask("Enter tries again.").await?;
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn sign_in(client: &Client, lines: &mut Lines, username: String) -> Option<Result<(), Problem>> {
    let password = lines.ask_secret("Password:").await?;
    let device_name = Some(crate::app::host::device_name());
    let credentials = Credentials { username, password: Password::from(password), device_name };
    Some(client.login(credentials).await.map(drop).map_err(|f| intake::problem(&f)))
}

async fn register(client: &Client, lines: &mut Lines) -> Option<Result<(), Problem>> {
    let username = lines.ask("Choose a name:").await?;
    say("Choose a password: 8 characters or more, with a capital and a digit, hard to guess.");
    let password = lines.ask_secret("Password:").await?;
    let again = lines.ask_secret("Once more:").await?;
    if password.as_str() != again.as_str() {
        return Some(Err(Problem::NotTheSame));
    }
    let registration = Registration {
        username,
        password: Password::from(password),
        display_name: None,
        device_name: Some(crate::app::host::device_name()),
        invite: None,
    };
    match client.register(registration).await {
        Ok(done) => {
            say("Your recovery code. It is shown only now; write it down:");
            let code = Zeroizing::new(done.recovery_code);
            say(SafeText::line(&code).as_str());
            lines.ask("Enter, when it is written down.").await?;
            Some(Ok(()))
        }
        Err(failure) => Some(Err(intake::problem(&failure))),
    }
}
