//! The app's executable as a product.

use crate::build::Product;

/// The list of what the launcher may take from macOS, for [`crate::Order::imports`].
pub const LAUNCHER_IMPORTS: &str = "utm-bundle/launcher/macos-imports.txt";

/// The launcher, named as it is in the app.
pub fn launcher() -> Product {
    Product {
        package: "helix-launcher",
        selection: &["--bin", "helix-launcher"],
        options: &[],
        made: "helix_launcher".to_owned(),
        name: "Helix".to_owned(),
        library: false,
    }
}
