//! Vulkan's description of MoltenVK, by which the loader finds the library.

use serde_json::Value;

use crate::layout;

/// The library that a description names, as it names it.
pub(crate) fn library_path(text: &[u8]) -> Result<String, String> {
    let value: Value = serde_json::from_slice(text).map_err(|e| e.to_string())?;
    let path = value.get("ICD").and_then(|icd| icd.get("library_path")).and_then(Value::as_str);
    path.map(str::to_owned).ok_or_else(|| "it has no ICD.library_path".to_owned())
}

/// The library's path from the description's folder in the app.
pub(crate) fn path_in_app() -> String {
    let name = layout::MOLTENVK;
    format!("{}/{}/{name}.framework/Versions/Current/{name}", layout::ICD_TO_CONTENTS, layout::FRAMEWORKS)
}

/// The description as it belongs into the app: MoltenVK's own names the library beside it, where none is.
pub(crate) fn rewritten(text: &[u8]) -> Result<Vec<u8>, String> {
    let found = library_path(text)?;
    let leaf = found.rsplit('/').next().unwrap_or_default();
    if ![layout::MOLTENVK, "libMoltenVK.dylib"].contains(&leaf) {
        return Err(format!("it is about {found}, not about MoltenVK"));
    }
    let mut value: Value = serde_json::from_slice(text).map_err(|e| e.to_string())?;
    value["ICD"]["library_path"] = path_in_app().into();
    Ok(format!("{value:#}\n").into_bytes())
}
