//! Estimates of passwords (DESIGN §4). The word lists behind one take megabytes that a process keeps for
//! good; a program that runs for days has them made by a child of its own, which ends with its answer.
//!
//! ```text
//! question  (length u32 LE, text)*: the password, then what a guesser tries first     until the end
//! answer    one byte: what is unmet (bits 0–3, in the policy's order), strong (bit 4)
//! ```

use std::io::{self, Read, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use chat_core::identity::password::{Assessment, assess};
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use crate::config::Estimate;

/// The rules in the order of the answer's bits.
const RULES: [&str; 4] = ["length", "capital", "digit", "common"];
const STRONG: u8 = 1 << 4;

/// Bytes of a text: more than a line of JSON-RPC holds.
const TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Estimates passwords where the embedder wants it.
#[derive(Debug, Clone)]
pub(crate) struct Estimator(Arc<Estimate>);

impl Estimator {
    pub(crate) fn new(how: Estimate) -> Self {
        Self(Arc::new(how))
    }

    /// What a password lacks; `own_words` are what a guesser tries first. None when the thread that asked
    /// for it ended.
    pub(crate) async fn assess(&self, password: Zeroizing<String>, own_words: Vec<String>) -> Option<Assessment> {
        let how = Arc::clone(&self.0);
        spawn_blocking(move || {
            let words: Vec<&str> = own_words.iter().map(String::as_str).collect();
            by_child(&how, &password, &words).unwrap_or_else(|| assess(&password, &words))
        })
        .await
        .ok()
    }
}

/// Answers the question on `question`: what the child of [`Estimate::Child`] does.
///
/// # Errors
/// When the question can't be read, is none, or the answer can't be written.
pub fn answer_estimate(mut question: impl Read, mut answer: impl Write) -> io::Result<()> {
    let (password, words) = read(&mut question)?;
    let words: Vec<&str> = words.iter().map(|word| word.as_str()).collect();
    answer.write_all(&[byte(&assess(&password, &words))])?;
    answer.flush()
}

/// None when there is no child to ask, or it did not answer: then the estimate is made here.
fn by_child(how: &Estimate, password: &str, words: &[&str]) -> Option<Assessment> {
    let Estimate::Child { program, arguments } = how else { return None };
    let asked = || -> io::Result<u8> {
        // The child needs nothing of the environment, where a password may stand.
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let written = child.stdin.take().map_or(Ok(()), |pipe| ask(pipe, password, words));
        let mut answer = [0; 1];
        let read = child.stdout.take().map_or(Ok(()), |mut pipe| pipe.read_exact(&mut answer));
        child.wait()?;
        written.and(read)?;
        let [answer] = answer;
        Ok(answer)
    };
    match asked() {
        Ok(answer) => Some(assessment(answer)),
        Err(error) => {
            tracing::info!(%error, "no child estimates passwords");
            None
        }
    }
}

/// Writes texts straight from where they lie: no copy of a password stays behind.
fn ask(mut pipe: impl Write, password: &str, words: &[&str]) -> io::Result<()> {
    for text in std::iter::once(&password).chain(words) {
        let length = u32::try_from(text.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        pipe.write_all(&length.to_le_bytes())?;
        pipe.write_all(text.as_bytes())?;
    }
    pipe.flush()
}

type Text = Zeroizing<String>;

fn read(question: &mut impl Read) -> io::Result<(Text, Vec<Text>)> {
    let password = text(question)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let words = std::iter::from_fn(|| text(question).transpose()).collect::<io::Result<_>>()?;
    Ok((password, words))
}

/// The next text; none at the end.
fn text(question: &mut impl Read) -> io::Result<Option<Text>> {
    let mut length = [0; 4];
    match question.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = usize::try_from(u32::from_le_bytes(length)).map_err(|_| io::ErrorKind::InvalidData)?;
    if length > TEXT_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Zeroizing::new(vec![0; length]);
    question.read_exact(&mut bytes)?;
    String::from_utf8(std::mem::take(&mut *bytes))
        .map(|text| Some(Zeroizing::new(text)))
        .map_err(|_| io::ErrorKind::InvalidData.into())
}

fn byte(assessment: &Assessment) -> u8 {
    let unmet = RULES.iter().rev().fold(0, |bits, rule| bits << 1 | u8::from(assessment.unmet.contains(rule)));
    unmet | if assessment.strong { STRONG } else { 0 }
}

fn assessment(byte: u8) -> Assessment {
    let unmet = RULES.iter().enumerate().filter(|(bit, _)| byte >> bit & 1 == 1).map(|(_, rule)| *rule).collect();
    Assessment { unmet, strong: byte & STRONG != 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(password: &str, words: &[&str]) -> Assessment {
        let (mut question, mut answer) = (Vec::new(), Vec::new());
        ask(&mut question, password, words).unwrap();
        answer_estimate(question.as_slice(), &mut answer).unwrap();
        assessment(answer[0])
    }

    #[test]
    fn a_child_answers_what_would_be_answered_here() {
        for password in ["", "lpqzkrtvw", "Password1", "Xq7-w", "Vy3-quarzlampe-tundra", "Maximiliana_91", "a\nb\0c"] {
            for words in [&[][..], &["maximiliana_91", ""]] {
                assert_eq!(answered(password, words), assess(password, words), "{password:?} {words:?}");
            }
        }
    }

    #[test]
    fn a_question_that_is_cut_short_has_no_answer() {
        for question in [&b""[..], b"\x01", b"\x05\0\0\0abc", b"\x01\0\0\0\xff", b"\xff\xff\xff\xff"] {
            let mut answer = Vec::new();
            assert!(answer_estimate(question, &mut answer).is_err() && answer.is_empty(), "{question:?}");
        }
    }

    #[tokio::test]
    async fn where_no_child_answers_the_estimate_is_made_here() {
        for (program, arguments) in
            [("/nowhere/at/all", vec![]), ("/bin/true", vec![]), ("/bin/false", vec!["x".into()])]
        {
            let estimator = Estimator::new(Estimate::Child { program: program.into(), arguments });
            let made = estimator.assess(Zeroizing::new("Password1".to_owned()), Vec::new()).await.unwrap();
            assert_eq!(made.unmet, ["common"], "{program}");
        }
    }
}
