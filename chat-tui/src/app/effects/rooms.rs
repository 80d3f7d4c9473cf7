//! Rooms.

use chat_client::{Command, Reply, RoomCommand, RoomName, RoomReply, UserName};

use super::Hands;
use crate::app::intake::{self, rooms};
use crate::model::{FormDone, Msg, Name, Problem, RoomAsk, RoomNews};
use crate::text::SafeText;

impl Hands {
    /// Carries out what is asked about rooms.
    pub(super) fn room(&self, asked: RoomAsk) {
        let what = what(&asked);
        match command(asked) {
            Some(Planned { command, after }) => self.on_room(command, after, what),
            None => self.tell(Msg::Form(Box::new(Err(Problem::BadName)))),
        }
    }

    fn on_room(&self, command: RoomCommand, after: After, what: &'static str) {
        let (work, hands) = (self.client.run(Command::Room(command)), self.clone());
        self.then(work, move |answer| match (after, answer) {
            (After::List, answer) => Msg::Room(RoomNews::List(listed(answer.map_err(|f| intake::problem(&f))))),
            (After::Info(name), answer) => {
                let page = match answer {
                    Ok(Reply::Room(RoomReply::Info(info))) => Ok(Box::new(rooms::page(info))),
                    Ok(_) => Err(Problem::Internal),
                    Err(failure) => Err(intake::problem(&failure)),
                };
                Msg::Room(RoomNews::Page { name, page })
            }
            (After::Form { room, says }, answer) => {
                if answer.is_ok()
                    && let Some(room) = room
                {
                    hands.room(RoomAsk::Info(room));
                }
                let says = SafeText::line(says);
                let done = answer.map(|_| FormDone { says, code: None }).map_err(|f| intake::problem(&f));
                Msg::Form(Box::new(done))
            }
            (After::Enter(room), Ok(_)) => {
                hands.tell(Msg::Form(Box::new(Ok(FormDone::default()))));
                Msg::Room(RoomNews::Entered(room))
            }
            (After::Leave { room, ended }, Ok(_)) => Msg::Room(RoomNews::Gone { room, ended }),
            (After::Enter(_), Err(failure)) => Msg::Form(Box::new(Err(intake::problem(&failure)))),
            (After::Leave { .. }, Err(failure)) => {
                Msg::Done { what: SafeText::line(what), result: Err(intake::problem(&failure)) }
            }
        });
    }
}

/// What follows a command.
enum After {
    List,
    Info(Name),
    /// A form closes, or a deed on a room's page is done; then the page of this room is asked for again.
    Form {
        room: Option<Name>,
        says: &'static str,
    },
    Enter(Name),
    Leave {
        room: Name,
        ended: bool,
    },
}

struct Planned {
    command: RoomCommand,
    after: After,
}

fn what(asked: &RoomAsk) -> &'static str {
    match asked {
        RoomAsk::Leave(_) => "Not left",
        RoomAsk::Delete(_) => "Not ended",
        _ => "Not done",
    }
}

/// The client's command, unless a name can't be one.
fn command(asked: RoomAsk) -> Option<Planned> {
    let of = |name: &Name| RoomName::parse(name.as_str()).ok();
    let user = |name: &Name| UserName::parse(name.as_str()).ok();
    let changes = |room: Name, says| After::Form { room: Some(room), says };
    Some(match asked {
        RoomAsk::List => Planned { command: RoomCommand::List { joined: None }, after: After::List },
        RoomAsk::Info(room) => Planned { command: RoomCommand::Info(of(&room)?), after: After::Info(room) },
        RoomAsk::Create { name, public, topic } => Planned {
            command: RoomCommand::Create { name: of(&name)?, public, topic, idempotency_key: None },
            after: After::Enter(name),
        },
        RoomAsk::Join(room) => Planned { command: RoomCommand::Join(of(&room)?), after: After::Enter(room) },
        RoomAsk::Leave(room) => {
            Planned { command: RoomCommand::Leave(of(&room)?), after: After::Leave { room, ended: false } }
        }
        RoomAsk::Delete(room) => {
            Planned { command: RoomCommand::Delete(of(&room)?), after: After::Leave { room, ended: true } }
        }
        RoomAsk::Invite { room, who } => Planned {
            command: RoomCommand::Invite { room: of(&room)?, username: user(&who)? },
            after: changes(room, "Invited."),
        },
        RoomAsk::Kick { room, who } => Planned {
            command: RoomCommand::Kick { room: of(&room)?, username: user(&who)? },
            after: changes(room, "They are out."),
        },
        RoomAsk::SetRole { room, who, role } => Planned {
            command: RoomCommand::SetRole { room: of(&room)?, username: user(&who)?, role: rooms::role(role) },
            after: changes(room, "The role is changed."),
        },
        RoomAsk::SetTopic { room, topic } => Planned {
            command: RoomCommand::SetTopic { room: of(&room)?, topic },
            after: changes(room, "The topic is changed."),
        },
    })
}

fn listed(answer: Result<Reply, Problem>) -> Result<Vec<crate::model::RoomRow>, Problem> {
    match answer? {
        Reply::Room(RoomReply::Rooms(list)) => Ok(list.into_iter().map(rooms::row).collect()),
        _ => Err(Problem::Internal),
    }
}
