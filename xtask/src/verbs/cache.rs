//! `cache`: what is kept, and how it goes away.

use helix_build::cache;
use helix_build::store::{Kind, Store};

use crate::cli::{CacheAction, CacheArgs, CacheKind};
use crate::exit::Failure;

pub(crate) fn run(args: &CacheArgs, json: bool) -> Result<(), Failure> {
    let workspace = super::workspace()?;
    // Files of trees belong to ids that only exist inside.
    helix_rootfs::namespace::enter().map_err(helix_build::Error::from)?;
    let store = Store::open(&workspace.cache)?;
    let freed = match &args.action {
        CacheAction::Ls => {
            let usage = cache::usage(&store)?;
            if json {
                super::print_json(&usage);
                return Ok(());
            }
            crate::ui::out(&format!("{}", workspace.cache.display()));
            for kind in usage {
                crate::ui::out(&format!(
                    "  {:<9} {:>6} entries  {:>9.1} MB",
                    kind.kind,
                    kind.entries,
                    kind.bytes as f64 / 1e6
                ));
            }
            return Ok(());
        }
        CacheAction::Gc => cache::collect_garbage(&store)?,
        CacheAction::Rm { kind } => cache::remove(&store, kind.map(kind_of))?,
    };
    if json {
        super::print_json(&serde_json::json!({ "freed_bytes": freed }));
    } else {
        crate::ui::out(&format!("{:.1} MB are free again", freed as f64 / 1e6));
    }
    Ok(())
}

fn kind_of(kind: CacheKind) -> Kind {
    match kind {
        CacheKind::Packages => Kind::Packages,
        CacheKind::Trees => Kind::Trees,
        CacheKind::Tools => Kind::Tools,
        CacheKind::Blobs => Kind::Blobs,
    }
}
