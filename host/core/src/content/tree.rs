//! The files of a workspace as they were at one moment.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Blob;
use crate::{
    Error, Result,
    limit::{TREE_MAX_BYTES, TREE_PATH_MAX_BYTES, WORKSPACE_FILES_MAX, WORKSPACE_MAX_BYTES},
    plugin::text::visible,
};

/// The one version of the form.
const VERSION: u32 = 1;

/// What lies at a path of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Entry {
    /// A folder.
    Folder {},
    /// A file.
    File {
        /// Its bytes.
        bytes: Blob,
        /// Whether its owner may execute it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        executable: bool,
    },
    /// A link to its own folder or below.
    Link {
        /// Where it leads.
        target: String,
    },
}

/// Folders, files and links by their paths, which are relative to the workspace. Times are not kept.
///
/// Every path is plain (no `..`, no empty part) and lies in a folder of the tree, so that whoever makes the files of it anew meets no
/// link on the way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree(BTreeMap<String, Entry>);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    version: u32,
    entries: BTreeMap<String, Entry>,
}

impl Tree {
    /// A tree of these entries.
    ///
    /// # Errors
    /// `invalid` for a path, a target or a size that no workspace can have; `limit` for more than one may hold.
    pub fn new(entries: BTreeMap<String, Entry>) -> Result<Self> {
        if entries.len() as u64 > WORKSPACE_FILES_MAX {
            return Err(Error::limit(format!("a workspace holds at most {WORKSPACE_FILES_MAX} files and folders")));
        }
        let mut bytes = 0_u64;
        for (path, entry) in &entries {
            check_path(path)?;
            if let Some((folder, _)) = path.rsplit_once('/')
                && !matches!(entries.get(folder), Some(Entry::Folder {}))
            {
                return Err(Error::invalid(format!("`{}` of a workspace lies in no folder of it", visible(path, 160))));
            }
            match entry {
                Entry::Folder {} => {}
                Entry::File { bytes: blob, .. } => {
                    blob.check()?;
                    bytes = bytes.saturating_add(blob.size);
                }
                Entry::Link { target } => check_target(path, target)?,
            }
        }
        if bytes > WORKSPACE_MAX_BYTES {
            return Err(Error::limit(format!("a workspace holds at most {WORKSPACE_MAX_BYTES} bytes")));
        }
        Ok(Self(entries))
    }

    /// Its entries, sorted by path: a folder before what is in it.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.0.iter().map(|(path, entry)| (path.as_str(), entry))
    }

    /// The bytes of its files.
    pub fn files(&self) -> impl Iterator<Item = &Blob> {
        self.0.values().filter_map(|entry| if let Entry::File { bytes, .. } = entry { Some(bytes) } else { None })
    }

    /// The one text that says it, as JSON.
    ///
    /// # Errors
    /// `limit` over [`TREE_MAX_BYTES`].
    pub fn encode(&self) -> Result<Vec<u8>> {
        let form = Form { version: VERSION, entries: self.0.clone() };
        let text = serde_json::to_vec(&form).map_err(|error| Error::host("the tree of a workspace cannot be written as JSON", error))?;
        match text.len() as u64 > TREE_MAX_BYTES {
            true => Err(Error::limit(format!("the names of a workspace's files take more than {TREE_MAX_BYTES} bytes"))),
            false => Ok(text),
        }
    }

    /// Reads what [`Tree::encode`] wrote.
    ///
    /// # Errors
    /// `invalid` for anything else, another spelling of a tree as well; `limit` as for [`Tree::new`].
    pub fn decode(text: &[u8]) -> Result<Self> {
        let unreadable = |error: &dyn std::fmt::Display| Error::invalid("the tree of a workspace cannot be read").internal(error);
        let form: Form = serde_json::from_slice(text).map_err(|error| unreadable(&error))?;
        if form.version != VERSION {
            return Err(unreadable(&"version"));
        }
        let tree = Self::new(form.entries)?;
        if tree.encode()? != text {
            return Err(unreadable(&"it is not the one spelling"));
        }
        Ok(tree)
    }
}

/// Refuses a path that is not plain: it could lead out of the workspace.
fn check_path(path: &str) -> Result<()> {
    let plain = path.len() <= TREE_PATH_MAX_BYTES && !path.contains('\0') && path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if plain { Ok(()) } else { Err(Error::invalid(format!("`{}` is no path in a workspace", visible(path, 160)))) }
}

/// Refuses a link that does not stay in its folder or below, which no guest can make.
fn check_target(path: &str, target: &str) -> Result<()> {
    let stays = !target.is_empty()
        && target.len() <= TREE_PATH_MAX_BYTES
        && !target.contains('\0')
        && !target.starts_with('/')
        && target.split('/').all(|part| part != "..");
    if stays {
        return Ok(());
    }
    Err(Error::invalid(format!("the link `{}` of a workspace leads out of its folder", visible(path, 160))).hint("remove the link"))
}
