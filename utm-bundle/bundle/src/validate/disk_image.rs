//! The disk image: macOS mounts it, and the app in it is good.

use std::path::Path;
use std::time::Duration;

use super::{Bundle, Said, Stop, failed, not_run, program, wait};

/// How long a volume may be busy before it is taken away by force.
const BUSY: Duration = Duration::from_secs(15);

pub(super) fn look(bundle: &Bundle) -> Said {
    if !bundle.disk_image.exists() {
        return Err(Stop::NotRun(format!("{} was not made", bundle.disk_image.display())));
    }
    program("hdiutil").arg("verify").arg(&bundle.disk_image).run()?;
    let place = tempfile::tempdir().map_err(not_run("making a folder in", &std::env::temp_dir()))?;
    let mounted = Mounted::attach(&bundle.disk_image, place.path())?;
    let found = inside(place.path());
    mounted.detach()?;
    found
}

fn inside(volume: &Path) -> Said {
    match std::fs::read_link(volume.join("Applications")) {
        Ok(target) if target.as_os_str() == "/Applications" => {}
        other => return failed(format!("it has no link to Applications: {other:?}")),
    }
    for file in [".DS_Store", ".VolumeIcon.icns", ".background/background.png"] {
        if !volume.join(file).is_file() {
            return failed(format!("{file} is missing in it"));
        }
    }
    let app = volume.join(crate::make::APP);
    program("codesign").args(["--verify", "--deep", "--strict", "--verbose=4"]).arg(app).run()?;
    Ok("mounted; the app in it is signed, and beside it is Applications".to_owned())
}

/// A volume that is there as long as this value.
struct Mounted<'a> {
    place: &'a Path,
    gone: bool,
}

impl<'a> Mounted<'a> {
    fn attach(image: &Path, place: &'a Path) -> Result<Self, Stop> {
        let options = ["attach", "-readonly", "-nobrowse", "-noautoopen", "-mountpoint"];
        program("hdiutil").args(options).arg(place).arg(image).run()?;
        Ok(Self { place, gone: false })
    }

    /// A volume that was just read is busy for some seconds.
    fn detach(mut self) -> Result<(), Stop> {
        let mut last = None;
        let gone = wait(BUSY, Duration::from_secs(1), || {
            last = program("hdiutil").arg("detach").arg(self.place).run().err();
            Ok(last.is_none().then_some(()))
        })?;
        self.gone = gone.is_some();
        match last {
            Some(error) if !self.gone => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        if !self.gone {
            // Something else is told already.
            let _ = program("hdiutil").args(["detach", "-force"]).arg(self.place).run();
        }
    }
}
