//! One's own account, devices, and whether somebody is who one thinks.

use chat_client::{
    AccountCommand, Answer, Command, DeviceId, Failure, FailureKind, Passphrase, Query, Reply, SafetyProof, UserName,
};
use zeroize::Zeroizing;

use super::{Hands, files, secret};
use crate::app::intake::{self, account};
use crate::model::{AccountAsk, AccountNews, FormDone, Msg, Name, Own, Problem, Secret};
use crate::text::SafeText;

impl Hands {
    /// Carries out what is asked about the account.
    pub(super) fn account(&self, asked: AccountAsk) {
        match asked {
            AccountAsk::Devices => self.devices(),
            AccountAsk::RenameDevice { id, name } => self.rename_device(id, name),
            AccountAsk::RemoveDevice(id) => self.remove_device(id),
            AccountAsk::ChangePassword { old, new } => self.change_password(&old, &new),
            AccountAsk::DeleteAccount { password } => self.delete_account(&password),
            AccountAsk::SafetyNumber(name) => self.safety_number(name),
            AccountAsk::Confirm { name, theirs } => self.confirm(name, theirs),
            AccountAsk::AcceptIdentity(name) => match UserName::parse(name.as_str()) {
                Ok(user) => self.deed("Not done", self.run(AccountCommand::AcceptIdentity(user))),
                Err(_) => self.tell(Msg::Done { what: SafeText::line("Not done"), result: Err(Problem::BadName) }),
            },
            AccountAsk::Unverify(name) => match UserName::parse(name.as_str()) {
                Ok(user) => self.deed("Not done", self.run(AccountCommand::Unverify(user))),
                Err(_) => self.tell(Msg::Done { what: SafeText::line("Not done"), result: Err(Problem::BadName) }),
            },
            AccountAsk::EraseWhenRemoved(erase) => {
                self.deed("Not set", self.run(AccountCommand::EraseWhenRemoved(erase)));
            }
            AccountAsk::Forget => self.forget(),
            AccountAsk::SetApproval { on, password } => {
                let says = if on {
                    "New devices need a yes on one of yours, or the recovery code."
                } else {
                    "The password is enough again."
                };
                self.then(self.client.set_approval(on, secret(&password)), move |result| {
                    form(result.map_err(|f| intake::problem(&f)), says)
                });
            }
            AccountAsk::AskHistory => self.then(self.run(AccountCommand::AskHistory), |result| Msg::Done {
                what: SafeText::line("Not asked"),
                result: result.map(drop).map_err(|f| match f.kind {
                    FailureKind::NotFound => Problem::NoOtherDevice,
                    _ => intake::problem(&f),
                }),
            }),
            AccountAsk::AnswerHistory { device, allow } => {
                self.deed("Not answered", self.run(AccountCommand::AnswerHistory { device: DeviceId(device), allow }));
            }
            AccountAsk::AnswerEntry { device, allow } => {
                let command = AccountCommand::AnswerEntry { device: DeviceId(device), allow };
                self.on_device(command, move |result| match result {
                    Ok(()) if allow => told("The new device may come in."),
                    Ok(()) => told("It was not let in. Change your password if that was not you: /password"),
                    Err(Problem::NotFound) => told("It does not wait any more."),
                    Err(problem) => Msg::Done { what: SafeText::line("Not answered"), result: Err(problem) },
                });
            }
            AccountAsk::Own => self.own(),
            AccountAsk::Export { path, passphrase } => self.export(&path, &passphrase),
            AccountAsk::Import { path, passphrase } => self.import(&path, &passphrase),
        }
    }

    fn export(&self, typed: &str, passphrase: &Secret) {
        let path = files::expanded(typed, files::home().as_deref());
        let (says, text) = (path.display().to_string(), Zeroizing::new(passphrase.expose().to_owned()));
        let client = self.client.clone();
        let work = async move {
            let unmet = client.assess_passphrase(Passphrase::from(Zeroizing::clone(&text))).await?;
            if !unmet.is_empty() {
                return Err(Failure { unmet, ..Failure::of(FailureKind::WeakPassword) });
            }
            client.export_history(path, Passphrase::from(text)).await
        };
        self.then(work, move |result| match result {
            Ok(1) => form(Ok(()), &format!("1 message is in {says}.")),
            Ok(count) => form(Ok(()), &format!("{count} messages are in {says}.")),
            Err(failure) => form(Err(of_file(&failure)), ""),
        });
    }

    fn import(&self, typed: &str, passphrase: &Secret) {
        let path = files::expanded(typed, files::home().as_deref());
        let text = Zeroizing::new(passphrase.expose().to_owned());
        let hands = self.clone();
        self.then(self.client.import_history(path, Passphrase::from(text)), move |result| match result {
            Ok(count) => {
                hands.tell(Msg::HistoryChanged);
                form(Ok(()), &format!("{count} messages were new and are here now."))
            }
            Err(failure) => form(Err(of_file(&failure)), ""),
        });
    }

    fn run(&self, command: AccountCommand) -> chat_client::Asked<Reply> {
        self.client.run(Command::Account(command))
    }

    fn devices(&self) {
        let (waiting, enrolled) = (self.client.query(Query::Waiting), self.client.query(Query::Devices));
        let both = async move { (waiting.await, enrolled.await) };
        self.then(both, |answers| {
            Msg::Account(AccountNews::Devices(match answers {
                (Ok(Answer::Waiting(waiting)), Ok(Answer::Devices(devices))) => {
                    let rows = waiting.into_iter().map(account::waiting);
                    Ok(rows.chain(devices.into_iter().map(account::device)).collect())
                }
                (Err(failure), _) | (_, Err(failure)) => Err(intake::problem(&failure)),
                _ => Err(Problem::Internal),
            }))
        });
        self.own();
    }

    fn own(&self) {
        self.then(self.client.query(Query::Status), |answer| {
            let own = match answer {
                Ok(Answer::Status(status)) => Own { approval: status.approval, untold: status.changing_password },
                _ => Own::default(),
            };
            Msg::Account(AccountNews::Own(own))
        });
    }

    /// Does something to a device, then tells how the devices are now.
    fn on_device(&self, command: AccountCommand, done: impl FnOnce(Result<(), Problem>) -> Msg + Send + 'static) {
        let (work, hands) = (self.run(command), self.clone());
        self.then(work, move |result| {
            // The list is asked for after the deed, so that it tells what came of it.
            hands.devices();
            done(result.map(drop).map_err(|f| intake::problem(&f)))
        });
    }

    fn rename_device(&self, id: u32, name: String) {
        let name = Some(name).filter(|n| !n.is_empty());
        self.on_device(AccountCommand::RenameDevice { device: DeviceId(id), name }, |result| form(result, ""));
    }

    fn remove_device(&self, id: u32) {
        let says = |result| form(result, "The device is off your account.");
        self.on_device(AccountCommand::RemoveDevice(DeviceId(id)), says);
    }

    fn safety_number(&self, name: Name) {
        let Ok(user) = UserName::parse(name.as_str()) else {
            return self.tell(Msg::Account(AccountNews::Number { name, number: Err(Problem::BadName) }));
        };
        self.then(self.run(AccountCommand::SafetyNumber(user)), move |answer| {
            let number = match answer {
                Ok(Reply::Safety(number)) => Ok(account::safety_number(number)),
                Ok(_) => Err(Problem::Internal),
                Err(failure) => Err(intake::problem(&failure)),
            };
            Msg::Account(AccountNews::Number { name, number })
        });
    }

    fn confirm(&self, name: Name, theirs: String) {
        let Ok(username) = UserName::parse(name.as_str()) else {
            return self.tell(Msg::Account(AccountNews::Verified { name, result: Err(Problem::BadName) }));
        };
        let digits = theirs.chars().all(|c| c.is_ascii_digit() || c.is_whitespace());
        let proof = if digits { SafetyProof::Digits(theirs) } else { SafetyProof::Code(theirs) };
        self.then(self.run(AccountCommand::Verify { username, proof }), move |answer| {
            let result = answer.map(|_| true).map_err(|f| intake::problem(&f));
            Msg::Account(AccountNews::Verified { name, result })
        });
    }

    fn forget(&self) {
        let done = self.client.run(Command::Logout { forget: true });
        self.then(done, |result| match result {
            Ok(_) => Msg::LoggedOut { reason: SafeText::line("Logged out; this device's data is erased.") },
            Err(failure) => Msg::Done { what: SafeText::line("Not erased"), result: Err(intake::problem(&failure)) },
        });
    }

    fn change_password(&self, old: &Secret, new: &Secret) {
        let changed = self.client.change_password(secret(old), secret(new));
        self.then(changed, |result| {
            let done = result.map_err(|f| intake::problem(&f)).map(|text| {
                let mut code = Secret::default();
                code.paste(&Zeroizing::new(text));
                FormDone { says: SafeText::line("The password is changed."), code: Some(code) }
            });
            Msg::Form(Box::new(done))
        });
    }

    fn delete_account(&self, password: &Secret) {
        self.then(self.client.delete_account(secret(password)), |result| match result {
            Ok(()) => Msg::LoggedOut { reason: SafeText::line("Your account is deleted.") },
            Err(failure) => form(Err(intake::problem(&failure)), ""),
        });
    }
}

fn told(says: &str) -> Msg {
    Msg::Account(AccountNews::Told(SafeText::line(says)))
}

/// What failed about a file with a history.
fn of_file(failure: &Failure) -> Problem {
    match failure.kind {
        FailureKind::BadCredentials => Problem::NotTheirPassphrase,
        FailureKind::WeakPassword => Problem::WeakPassphrase,
        FailureKind::Integrity => Problem::NotThisFile,
        FailureKind::StoreTooNew => Problem::TooNew,
        FailureKind::FileExists => Problem::FileExists,
        FailureKind::Forbidden => Problem::NotYourHistory,
        FailureKind::NotFound | FailureKind::InvalidParams | FailureKind::Io => Problem::FileUnreadable,
        _ => intake::problem(failure),
    }
}

fn form(result: Result<(), Problem>, says: &str) -> Msg {
    let says = SafeText::line(says);
    Msg::Form(Box::new(result.map(|()| FormDone { says, code: None })))
}
