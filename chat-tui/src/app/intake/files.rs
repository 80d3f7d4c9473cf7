//! Files and transfers, as the model knows them.

use chat_client::{self as client, Direction, FileInfo, TransferState};

use super::id_of;
use crate::model::{FileCard, Name, Progress, Transfer};
use crate::text::SafeText;

/// Whether a transfer goes out.
pub(in crate::app) fn outgoing(direction: Direction) -> bool {
    direction == Direction::Upload
}

/// A file that a message carries.
pub(super) fn card(file: &FileInfo) -> FileCard {
    FileCard { name: SafeText::line(&file.name), size: file.size, kind: kind(file) }
}

/// What it is in one word: the ending of its name, else the first half of its media type.
fn kind(file: &FileInfo) -> SafeText {
    let ending = file.name.rsplit_once('.').map(|(_, ending)| ending);
    let ending = ending.filter(|e| (1..=5).contains(&e.len()) && e.bytes().all(|b| b.is_ascii_alphanumeric()));
    let media = file.media_type.as_deref().and_then(|m| m.split('/').next());
    SafeText::line(&ending.or(media).unwrap_or_default().to_lowercase())
}

/// A transfer.
pub(in crate::app) fn transfer(transfer: client::Transfer) -> Transfer {
    let saved = transfer.state == TransferState::Done && !outgoing(transfer.direction);
    Transfer {
        id: id_of(transfer.id),
        outgoing: outgoing(transfer.direction),
        name: SafeText::line(&transfer.name),
        chat: Some(Name::new(&transfer.with)).filter(|name| !name.as_str().is_empty()),
        done: transfer.done,
        total: transfer.total,
        progress: match transfer.state {
            TransferState::Running => Progress::Running,
            TransferState::Paused => Progress::Paused,
            TransferState::Done => Progress::Done,
            TransferState::Failed(_) => Progress::Failed,
            _ => Progress::Waiting,
        },
        path: saved.then(|| SafeText::line(&transfer.path.to_string_lossy())),
        rate: None,
        told_ms: 0,
    }
}
