//! From bytes to pixels: the first picture in them, upright, and never larger than asked for.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageDecoder as _, ImageReader, Limits, Rgb, RgbImage};

/// Pixels of a picture that is decoded: more than a usual camera's.
const PIXELS_MAX: u64 = 40_000_000;

/// Pixels of a side: what the formats themselves can say, and no row that is a bomb of its own.
const SIDE_MAX: u32 = 65_535;

/// Bytes that a decoder may take for itself and its pixels: 16 bits and four channels of the largest.
const DECODER_BYTES_MAX: u64 = 8 * PIXELS_MAX;

/// Sides and qualities of a thumbnail, tried one after the other until it is small enough.
const THUMBNAILS: [(u32, u8); 7] = [(320, 70), (256, 60), (192, 55), (160, 50), (128, 45), (96, 40), (48, 30)];

/// Light ground behind what is transparent: a JPEG has no transparency.
const GROUND: u8 = 255;

/// No picture, a damaged one, or one beyond the limits. Which of them is nobody's business: it is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are no picture that is decoded")]
pub(crate) struct DecodeError;

/// The first picture in some bytes, turned as its camera says.
pub(crate) fn first_picture(bytes: Vec<u8>) -> Result<DynamicImage, DecodeError> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|_| DecodeError)?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(DECODER_BYTES_MAX);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|_| DecodeError)?;
    // Looked at before a pixel is decoded: a small file may say that it is an enormous picture.
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 || u64::from(width).saturating_mul(height.into()) > PIXELS_MAX {
        return Err(DecodeError);
    }
    let orientation = decoder.orientation().ok();
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|_| DecodeError)?;
    if let Some(orientation) = orientation {
        picture.apply_orientation(orientation);
    }
    Ok(picture)
}

/// Width, height and pixels, fitted into a size.
pub(crate) fn pixels(picture: DynamicImage, (width, height): (u16, u16)) -> Result<(u16, u16, Vec<u8>), DecodeError> {
    let picture = fitted(picture, (width.into(), height.into())).into_rgba8();
    let side = |side: u32| u16::try_from(side).map_err(|_| DecodeError);
    Ok((side(picture.width())?, side(picture.height())?, picture.into_raw()))
}

/// A JPEG of at most so many bytes.
pub(crate) fn thumbnail(picture: DynamicImage, bytes_max: usize) -> Result<Vec<u8>, DecodeError> {
    let [(largest, _), ..] = THUMBNAILS;
    let picture = on_ground(&fitted(picture, (largest, largest)));
    for (side, quality) in THUMBNAILS {
        let small = fitted(picture.clone(), (side, side));
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, quality).encode_image(&small).map_err(|_| DecodeError)?;
        if jpeg.len() <= bytes_max {
            return Ok(jpeg);
        }
    }
    Err(DecodeError)
}

/// Shrunk to fit; what fits stays as it is.
fn fitted(picture: DynamicImage, (width, height): (u32, u32)) -> DynamicImage {
    if picture.width() <= width && picture.height() <= height { picture } else { picture.thumbnail(width, height) }
}

fn on_ground(picture: &DynamicImage) -> DynamicImage {
    let rgba = picture.to_rgba8();
    let mut out = RgbImage::new(rgba.width(), rgba.height());
    for (to, from) in out.pixels_mut().zip(rgba.pixels()) {
        let [red, green, blue, alpha] = from.0;
        *to = Rgb([red, green, blue].map(|colour| blend(colour, alpha)));
    }
    out.into()
}

fn blend(colour: u8, alpha: u8) -> u8 {
    let (colour, alpha, ground) = (u32::from(colour), u32::from(alpha), u32::from(GROUND));
    let sum = colour.saturating_mul(alpha).saturating_add(ground.saturating_mul(255_u32.saturating_sub(alpha)));
    u8::try_from(sum / 255).unwrap_or(GROUND)
}

#[cfg(test)]
mod tests {
    use image::{ImageFormat, Rgba, RgbaImage};

    use super::*;

    /// A picture with something in it, so that it does not shrink to nothing when it is packed.
    fn busy(width: u32, height: u32) -> DynamicImage {
        RgbaImage::from_fn(width, height, |x, y| {
            let mix = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)).to_le_bytes();
            Rgba([mix[0], mix[1], mix[2], 255])
        })
        .into()
    }

    fn packed(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        let picture = if format == ImageFormat::Jpeg { picture.to_rgb8().into() } else { picture.clone() };
        picture.write_to(&mut out, format).unwrap();
        out.into_inner()
    }

    /// The head of a PNG that says so many pixels, and nothing behind it.
    fn bomb(width: u32, height: u32) -> Vec<u8> {
        let mut png = packed(&busy(1, 1), ImageFormat::Png);
        png[16..20].copy_from_slice(&width.to_be_bytes());
        png[20..24].copy_from_slice(&height.to_be_bytes());
        let sum = crc(&png[12..29]);
        png[29..33].copy_from_slice(&sum.to_be_bytes());
        png
    }

    fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |sum, byte| {
            (0..8).fold(sum ^ u32::from(*byte), |sum: u32, _| (sum >> 1) ^ (0xEDB8_8320 & 0_u32.wrapping_sub(sum & 1)))
        })
    }

    #[test]
    fn every_format_is_decoded_and_fitted_and_small_ones_are_not_enlarged() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP] {
            let bytes = packed(&busy(300, 100), format);
            let (width, height, rgba) = pixels(first_picture(bytes.clone()).unwrap(), (60, 60)).unwrap();
            assert_eq!((width, height, rgba.len()), (60, 20, 60 * 20 * 4), "{format:?}");
            let (width, height, _) = pixels(first_picture(bytes).unwrap(), (1_000, 1_000)).unwrap();
            assert_eq!((width, height), (300, 100), "{format:?}");
        }
    }

    #[test]
    fn a_picture_that_says_more_pixels_than_the_limit_is_refused_before_they_are_decoded() {
        for (width, height) in [(65_535, 65_535), (8_000, 8_000), (70_000, 1), (0, 1)] {
            assert_eq!(first_picture(bomb(width, height)).err(), Some(DecodeError), "{width}×{height}");
        }
    }

    #[test]
    fn a_picture_that_was_cut_or_bent_anywhere_does_no_harm() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP] {
            let whole = packed(&busy(40, 30), format);
            for at in (0..whole.len()).step_by(7) {
                let _ = first_picture(whole[..at].to_vec());
                let mut bent = whole.clone();
                bent[at] ^= 0x55;
                if let Ok(picture) = first_picture(bent) {
                    let (width, height, rgba) = pixels(picture, (16, 16)).unwrap();
                    assert_eq!(rgba.len(), usize::from(width) * usize::from(height) * 4);
                }
            }
        }
    }

    #[test]
    fn a_thumbnail_is_never_larger_than_asked_and_decodes_again() {
        for (width, height) in [(1, 1), (2_000, 1_500), (3_000, 2), (2, 3_000), (320, 320)] {
            for bytes_max in [8_192, 4_096] {
                let jpeg = thumbnail(busy(width, height), bytes_max).unwrap();
                assert!(jpeg.len() <= bytes_max);
                let again = first_picture(jpeg).unwrap();
                assert!(again.width() <= 320 && again.height() <= 320);
            }
        }
        assert_eq!(thumbnail(busy(10, 10), 10), Err(DecodeError));
    }

    #[test]
    fn what_is_transparent_lies_on_light_ground() {
        let clear: DynamicImage = RgbaImage::from_pixel(8, 8, Rgba([0, 0, 0, 0])).into();
        let ground = first_picture(thumbnail(clear, 8_192).unwrap()).unwrap().into_rgb8();
        assert!(ground.pixels().all(|pixel| pixel.0.iter().all(|colour| *colour > 250)));
    }
}
