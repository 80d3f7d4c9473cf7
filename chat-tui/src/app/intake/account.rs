//! Devices and safety numbers, as the model knows them.

use chat_client::{Device, SafetyNumber, WaitingDevice};
use qrcode::{Color, EcLevel, QrCode};

use super::when;
use crate::model::{self, DeviceRow, Qr};
use crate::text::SafeText;

/// A device of one's own.
pub(in crate::app) fn device(device: Device) -> DeviceRow {
    DeviceRow {
        id: device.id.0,
        name: SafeText::line(device.name.as_deref().unwrap_or_default()),
        created: device.created_ms.map(when),
        last_seen: device.last_seen_ms.map(when),
        current: device.current,
        waits: None,
    }
}

/// A device that waits to be let in.
pub(in crate::app) fn waiting(device: WaitingDevice) -> DeviceRow {
    DeviceRow {
        id: device.id.0,
        name: SafeText::line("new device"),
        created: None,
        last_seen: Some(when(device.at_ms)),
        current: false,
        waits: Some(SafeText::line(&device.code)),
    }
}

/// What two people compare.
pub(in crate::app) fn safety_number(number: SafetyNumber) -> model::SafetyNumber {
    let digits = number.digits.chars().filter(char::is_ascii_digit).collect();
    model::SafetyNumber { digits, qr: qr(&number.code), verified: number.verified }
}

/// The code of a text; a low level of repair keeps it small, and nothing covers a part of it on a screen.
fn qr(text: &str) -> Option<Qr> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let side = code.width();
    let dark = code.to_colors().into_iter().map(|color| color == Color::Dark).collect();
    Some(Qr { side, dark })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_of_letters_and_digits_fits_beside_the_number_on_the_usual_screen() {
        let code = qr(&"A7".repeat(60)).unwrap();
        assert!(code.side <= 37, "{}", code.side);
        assert!(code.is_dark(0, 0) && code.is_dark(6, 6) && !code.is_dark(7, 7), "the finder stands in the corner");
        assert!(!code.is_dark(code.side, 0));
    }
}
