//! What a message shows of its file, in one column.

use chat_core::engine::FileInfo;
use chat_wire::codec::{Reader, Writer};

/// Written before the fields: another layout gets another number.
const LAYOUT: u8 = 1;

pub(super) fn encode(file: &FileInfo) -> Vec<u8> {
    let media_type = file.media_type.as_deref().unwrap_or_default();
    let mut writer = Writer::default();
    writer.u8(LAYOUT).u64(file.size).put(&file.sha256).u64(file.expires_ms);
    for text in [media_type, &file.name] {
        writer.u32(u32::try_from(text.len()).unwrap_or(u32::MAX)).put(text.as_bytes());
    }
    writer.finish()
}

/// None for what this version does not store.
pub(super) fn decode(bytes: &[u8]) -> Option<FileInfo> {
    let mut reader = Reader::new(bytes);
    if reader.u8().ok()? != LAYOUT {
        return None;
    }
    let (size, sha256, expires_ms) = (reader.u64().ok()?, reader.array().ok()?, reader.u64().ok()?);
    let mut text = || {
        let bytes = usize::try_from(reader.u32().ok()?).ok()?;
        String::from_utf8(reader.take(bytes).ok()?.to_vec()).ok()
    };
    let (media_type, name) = (text()?, text()?);
    reader.end().ok()?;
    let media_type = (!media_type.is_empty()).then_some(media_type);
    Some(FileInfo { name, size, media_type, sha256, expires_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_of_a_file_reads_back_and_nothing_else_does() {
        for media_type in [None, Some("image/png".to_owned())] {
            let file =
                FileInfo { name: "ä.png".to_owned(), size: 1 << 40, media_type, sha256: [7; 32], expires_ms: 9 };
            let mut bytes = encode(&file);
            assert_eq!(decode(&bytes), Some(file));
            bytes.push(0);
            assert_eq!(decode(&bytes), None);
            assert_eq!(decode(&bytes[..20]), None);
        }
        assert_eq!(decode(&[9; 60]), None);
    }
}
