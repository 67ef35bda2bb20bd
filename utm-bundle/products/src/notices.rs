//! The licences of what products are made of, as a file beside them.

use std::collections::BTreeSet;

use helix_licences::Linked;

use crate::build::{Artifact, Order, Product, put};
use crate::error::Error;
use crate::linker::Toolchain;

/// The file's name.
pub const NOTICES: &str = "NOTICES.txt";

/// What has to be passed on with products.
#[derive(Debug)]
pub struct Notices(String);

impl Notices {
    /// Collects the licences of all crates that are linked into products, with their texts.
    ///
    /// # Errors
    /// When a crate names no licence whose text is at hand.
    pub fn collect(products: &[Product], order: &Order<'_>) -> Result<Self, Error> {
        let toolchain = Toolchain::find()?;
        let mut components = BTreeSet::new();
        for product in products {
            let linked = Linked {
                root: order.root,
                packages: &[product.package],
                options: product.options,
                target: order.target.triple(),
                compiler: toolchain.release(),
                offline: false,
            };
            components.extend(linked.components()?);
        }
        let names: Vec<&str> = products.iter().map(|product| product.name.as_str()).collect();
        let head = format!(
            "{} are made of the components below, for {}.\nEach is under its own licence; the texts follow, numbered.\n",
            names.join(" and "),
            order.target
        );
        Ok(Self(helix_licences::notices(&head, &Vec::from_iter(components), "")))
    }

    /// Puts the file beside the products.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, order: &Order<'_>) -> Result<Artifact, Error> {
        put(order.folder().join(NOTICES), self.0.as_bytes(), 0o644, None)
    }
}
