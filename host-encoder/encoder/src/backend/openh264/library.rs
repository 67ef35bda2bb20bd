//! OpenH264 as C sees it. The crate `openh264` above it takes no picture larger than 3840×2160; the library takes as many
//! macroblocks as level 5.2 has.

use std::ffi::c_int;
use std::ptr::null_mut;

use helix_frame_protocol::{Colorimetry, Level, Matrix, Range, Size};
use openh264_sys2::{
    API, CAMERA_VIDEO_REAL_TIME, CONSTANT_ID, DynamicAPI, ENCODER_OPTION_DATAFORMAT, ENCODER_OPTION_TRACE_LEVEL,
    ISVCEncoder, ISVCEncoderVtbl, LOW_COMPLEXITY, PRO_BASELINE, RC_BITRATE_MODE, SEncParamExt, SFrameBSInfo,
    SM_SINGLE_SLICE, SSourcePicture, WELS_LOG_QUIET, videoFormatI420, videoFrameTypeIDR,
};

use crate::convert::Rows;

/// The coarsest quantiser of H.264.
const MAX_QP: c_int = 51;

/// What a stream is to have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    /// Even sides.
    pub(super) size: Size,
    /// In bit/s.
    pub(super) bitrate: c_int,
    /// In frames/s.
    pub(super) rate: f32,
    /// The most frames from one IDR to the next; 0 for none but those that are asked for.
    pub(super) interval: u32,
    pub(super) least_qp: u8,
    pub(super) level: Level,
    pub(super) colorimetry: Colorimetry,
}

/// A picture in I420: its rows, and its time in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Picture<'a> {
    pub(super) planes: [Rows<'a>; 3],
    pub(super) time_ms: i64,
}

/// An encoder of the library, initialized.
pub(super) struct Library {
    encoder: *mut ISVCEncoder,
    size: Size,
}

// SAFETY: an encoder may be used by any thread, one at a time, to which `&mut` sees.
#[expect(unsafe_code, reason = "the library gives a pointer")]
unsafe impl Send for Library {}

/// A function of the library, which is there in every version.
macro_rules! call {
    ($library:expr, $function:ident $(, $argument:expr)*) => {{
        let vtable: &ISVCEncoderVtbl = unsafe { &**$library.encoder };
        match vtable.$function {
            Some(function) => checked(stringify!($function), unsafe { function($library.encoder $(, $argument)*) }),
            None => Err(format!("the library has no {}", stringify!($function))),
        }
    }};
}

fn checked(function: &str, status: c_int) -> Result<(), String> {
    if status == 0 { Ok(()) } else { Err(format!("{function} of OpenH264: error {status}")) }
}

#[expect(unsafe_code, reason = "calls to C++")]
impl Library {
    pub(super) fn open(settings: &Settings) -> Result<Self, String> {
        let mut encoder = null_mut();
        // SAFETY: it writes the pointer, which is not null if it says that it worked.
        checked("WelsCreateSVCEncoder", unsafe { DynamicAPI::from_source().WelsCreateSVCEncoder(&raw mut encoder) })?;
        let library = Self { encoder, size: settings.size };
        let mut quiet = WELS_LOG_QUIET;
        let mut format = videoFormatI420;
        let mut params = SEncParamExt::default();
        // SAFETY, here and below: all pointers are to values that live as long as the call, and are of the type that
        // `codec_api.h` asks for.
        call!(library, SetOption, ENCODER_OPTION_TRACE_LEVEL, (&raw mut quiet).cast())?;
        call!(library, GetDefaultParams, &raw mut params)?;
        settings.apply(&mut params);
        call!(library, InitializeExt, &raw const params)?;
        call!(library, SetOption, ENCODER_OPTION_DATAFORMAT, (&raw mut format).cast())?;
        Ok(library)
    }

    /// The access unit of a picture, which is empty if the library leaves it out, and whether it is an IDR.
    pub(super) fn encode(&mut self, picture: &Picture<'_>, keyframe: bool) -> Result<(Vec<u8>, bool), String> {
        let Picture { planes, time_ms } = picture;
        let size = self.size;
        for (plane, rows) in planes.iter().zip([size.height, size.height / 2, size.height / 2]) {
            let width = if rows == size.height { size.width } else { size.width / 2 } as usize;
            // What the library reads must be there.
            let needs = plane.stride * (rows as usize).saturating_sub(1) + width;
            if plane.data.len() < needs || plane.stride < width {
                return Err(format!("a plane has {} bytes of {needs}", plane.data.len()));
            }
        }
        if keyframe {
            call!(self, ForceIntraFrame, true)?;
        }
        let source = SSourcePicture {
            iColorFormat: videoFormatI420,
            iStride: [planes[0].stride as c_int, planes[1].stride as c_int, planes[2].stride as c_int, 0],
            // The library only reads them.
            pData: [
                planes[0].data.as_ptr().cast_mut(),
                planes[1].data.as_ptr().cast_mut(),
                planes[2].data.as_ptr().cast_mut(),
                null_mut(),
            ],
            iPicWidth: size.width as c_int,
            iPicHeight: size.height as c_int,
            uiTimeStamp: *time_ms,
            ..SSourcePicture::default()
        };
        let mut info = SFrameBSInfo::default();
        call!(self, EncodeFrame, &raw const source, &raw mut info)?;
        Ok((unit(&info), info.eFrameType == videoFrameTypeIDR))
    }
}

/// The NAL units of an access unit, which lie one behind the other in each layer.
#[expect(unsafe_code, reason = "the library gives pointers")]
fn unit(info: &SFrameBSInfo) -> Vec<u8> {
    let layers = info.sLayerInfo.iter().take(usize::try_from(info.iLayerNum).unwrap_or(0));
    let mut unit = Vec::new();
    for layer in layers.filter(|layer| layer.iNalCount > 0) {
        // SAFETY: the library states so many lengths, and their sum is what it has written; both are valid until the next
        // call.
        unsafe {
            let lengths = std::slice::from_raw_parts(layer.pNalLengthInByte, layer.iNalCount as usize);
            let length = lengths.iter().map(|length| *length as usize).sum();
            unit.extend_from_slice(std::slice::from_raw_parts(layer.pBsBuf, length));
        }
    }
    unit
}

impl Settings {
    fn apply(&self, params: &mut SEncParamExt) {
        let (width, height) = (self.size.width as c_int, self.size.height as c_int);
        params.iUsageType = CAMERA_VIDEO_REAL_TIME;
        (params.iPicWidth, params.iPicHeight) = (width, height);
        (params.iTargetBitrate, params.fMaxFrameRate) = (self.bitrate, self.rate);
        params.iRCMode = RC_BITRATE_MODE;
        // Left out frames are jerks; a guest that wants fewer sends fewer.
        params.bEnableFrameSkip = false;
        params.iComplexityMode = LOW_COMPLEXITY;
        params.uiIntraPeriod = self.interval;
        params.eSpsPpsIdStrategy = CONSTANT_ID;
        (params.iMinQp, params.iMaxQp) = (self.least_qp.into(), MAX_QP);
        // Many streams at once are fair by one thread each.
        params.iMultipleThreadIdc = 1;
        // A keyframe comes when it is asked for and at its interval, not whenever a window opens.
        params.bEnableSceneChangeDetect = false;
        params.bEnableAdaptiveQuant = true;
        params.bEnableBackgroundDetection = true;
        (params.iSpatialLayerNum, params.iTemporalLayerNum) = (1, 1);
        let layer = &mut params.sSpatialLayers[0];
        (layer.iVideoWidth, layer.iVideoHeight, layer.fFrameRate) = (width, height, self.rate);
        (layer.iSpatialBitrate, layer.iMaxSpatialBitrate) = (self.bitrate, self.bitrate);
        layer.uiProfileIdc = PRO_BASELINE;
        layer.uiLevelIdc = self.level.idc().into();
        layer.sSliceArgument.uiSliceMode = SM_SINGLE_SLICE;
        layer.sSliceArgument.uiSliceNum = 1;
        (layer.bVideoSignalTypePresent, layer.bColorDescriptionPresent) = (true, true);
        layer.bFullRange = self.colorimetry.range == Range::Full;
        // Tables E-3 to E-5 of H.264.
        let colours = match self.colorimetry.matrix {
            Matrix::Bt709 => 1,
            Matrix::Bt601 => 6,
        };
        (layer.uiColorPrimaries, layer.uiTransferCharacteristics, layer.uiColorMatrix) = (colours, colours, colours);
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // An encoder that was not initialized refuses, and nothing depends on it.
        #[expect(unsafe_code, reason = "calls to C++")]
        let _ = call!(self, Uninitialize);
        // SAFETY: it is the pointer that the library gave, and is not used any more.
        #[expect(unsafe_code, reason = "a call to C")]
        unsafe {
            DynamicAPI::from_source().WelsDestroySVCEncoder(self.encoder);
        }
    }
}
