//! The layer between SQLite and the system's files: SQLite's own layer, with what reads, writes and syncs passed through a [`State`].
//!
//! The tables of functions are copies of SQLite's, in which a few entries are ours; ours call the ones that they stand for. What they
//! have to know of a file or a layer is found by its address.

use std::{
    collections::BTreeMap,
    ffi::{CStr, CString, c_int, c_void},
    path::Path,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use rusqlite::ffi;

use super::disk::{Doing, State, name};

type Shared = Arc<Mutex<State>>;

/// What is known of an open file.
struct Open {
    /// The functions that ours stand for.
    real: ffi::sqlite3_io_methods,
    /// Its functions, as SQLite sees them.
    _ours: Box<ffi::sqlite3_io_methods>,
    name: String,
    state: Shared,
}

#[derive(Default)]
struct Known {
    layers: BTreeMap<usize, (ffi::sqlite3_vfs, Shared)>,
    files: BTreeMap<usize, Open>,
}

static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);
static COUNT: AtomicU32 = AtomicU32::new(0);

// SAFETY: the tables hold addresses of functions and of constants of SQLite, which every thread may use.
unsafe impl Send for Known {}

fn known() -> MutexGuard<'static, Known> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lock(state: &Shared) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A layer that SQLite knows by name, until it is dropped. Every connection through it has to be closed before.
pub(super) struct Registered {
    name: CString,
    layer: Box<ffi::sqlite3_vfs>,
}

// SAFETY: the layer is only read, by SQLite, after it was registered.
unsafe impl Send for Registered {}
// SAFETY: as above.
unsafe impl Sync for Registered {}

impl Registered {
    pub(super) fn name(&self) -> &str {
        self.name.to_str().expect("a name in ASCII")
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // SAFETY: it was registered, and no connection uses it any more.
        unsafe { ffi::sqlite3_vfs_unregister(&raw mut *self.layer) };
        known().layers.remove(&(&raw const *self.layer as usize));
    }
}

/// Makes a layer over the default one.
pub(super) fn register(state: Shared) -> Registered {
    let name = CString::new(format!("disk-{}", COUNT.fetch_add(1, Ordering::Relaxed))).expect("a name without zeros");
    // SAFETY: a null pointer asks for the default layer, which lives as long as the process.
    let real = unsafe { *ffi::sqlite3_vfs_find(std::ptr::null()) };
    let mut layer = Box::new(real);
    layer.zName = name.as_ptr();
    layer.pNext = std::ptr::null_mut();
    layer.xOpen = Some(open);
    layer.xDelete = Some(delete);
    known().layers.insert(&raw const *layer as usize, (real, state));
    // SAFETY: the layer and its name stay where they are until they are dropped, which unregisters them first.
    let code = unsafe { ffi::sqlite3_vfs_register(&raw mut *layer, 0) };
    assert_eq!(code, ffi::SQLITE_OK);
    Registered { name, layer }
}

fn layer(vfs: *mut ffi::sqlite3_vfs) -> (ffi::sqlite3_vfs, Shared) {
    let known = known();
    let (real, state) = known.layers.get(&(vfs as usize)).expect("a registered layer");
    (*real, state.clone())
}

fn file(file: *mut ffi::sqlite3_file) -> (ffi::sqlite3_io_methods, String, Shared) {
    let known = known();
    let open = known.files.get(&(file as usize)).expect("an open file");
    (open.real, open.name.clone(), open.state.clone())
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    path: ffi::sqlite3_filename,
    opened: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let (real, state) = layer(vfs);
    let real_open = real.xOpen.expect("a layer that opens files");
    // SAFETY: the arguments are SQLite's own. The layer is a copy of the one that the function belongs to.
    let code = unsafe { real_open(vfs, path, opened, flags, out_flags) };
    // SAFETY: SQLite gives room for a file, and the function above has filled it in.
    let methods = unsafe { &mut (*opened).pMethods };
    if code != ffi::SQLITE_OK || path.is_null() || methods.is_null() {
        return code;
    }
    // SAFETY: a file's functions are a constant of SQLite's; its path is a text that ends with a zero.
    let (real, path) = unsafe { (**methods, CStr::from_ptr(path)) };
    let mut ours = Box::new(real);
    ours.iVersion = 2;
    ours.xClose = Some(close);
    ours.xRead = Some(read);
    ours.xWrite = Some(write);
    ours.xTruncate = Some(truncate);
    ours.xSync = Some(sync);
    *methods = &raw const *ours;
    let name = name(Path::new(path.to_str().expect("a path in UTF-8")));
    lock(&state).file(&name);
    known().files.insert(opened as usize, Open { real, _ours: ours, name, state });
    code
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, path: *const std::ffi::c_char, sync_folder: c_int) -> c_int {
    let (real, state) = layer(vfs);
    let real_delete = real.xDelete.expect("a layer that deletes files");
    // SAFETY: the arguments are SQLite's own; its path is a text that ends with a zero.
    let (code, path) = unsafe { (real_delete(vfs, path, sync_folder), CStr::from_ptr(path)) };
    lock(&state).delete(&name(Path::new(path.to_str().expect("a path in UTF-8"))));
    code
}

unsafe extern "C" fn close(closed: *mut ffi::sqlite3_file) -> c_int {
    let (real, ..) = file(closed);
    // SAFETY: the argument is SQLite's own, and the function is the one that belongs to the file.
    let code = unsafe { real.xClose.expect("a file that closes")(closed) };
    known().files.remove(&(closed as usize));
    code
}

unsafe extern "C" fn read(of: *mut ffi::sqlite3_file, to: *mut c_void, length: c_int, offset: i64) -> c_int {
    let (real, name, state) = file(of);
    if let Some(code) = lock(&state).before(Doing::Read, &name) {
        return code;
    }
    // SAFETY: the arguments are SQLite's own, and the function is the one that belongs to the file.
    unsafe { real.xRead.expect("a file that is read")(of, to, length, offset) }
}

unsafe extern "C" fn write(of: *mut ffi::sqlite3_file, from: *const c_void, length: c_int, offset: i64) -> c_int {
    let (real, name, state) = file(of);
    let mut state = lock(&state);
    let failing = state.before(Doing::Write, &name);
    // A full disk takes a part; what fails otherwise writes nothing.
    let length = match failing {
        Some(ffi::SQLITE_FULL) => length / 2,
        Some(code) => return code,
        None => length,
    };
    // SAFETY: SQLite gives `length` bytes; the function is the one that belongs to the file.
    let (code, bytes) = unsafe {
        let bytes = std::slice::from_raw_parts(from.cast::<u8>(), length as usize);
        (real.xWrite.expect("a file that is written")(of, from, length, offset), bytes)
    };
    state.file(&name).write(offset as usize, bytes);
    failing.unwrap_or(code)
}

unsafe extern "C" fn truncate(of: *mut ffi::sqlite3_file, length: i64) -> c_int {
    let (real, name, state) = file(of);
    let mut state = lock(&state);
    if let Some(code) = state.before(Doing::Write, &name) {
        return code;
    }
    state.file(&name).truncate(length as usize);
    // SAFETY: the arguments are SQLite's own, and the function is the one that belongs to the file.
    unsafe { real.xTruncate.expect("a file that is cut")(of, length) }
}

/// The disk below is not synced: what would be there is in the state.
unsafe extern "C" fn sync(of: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    let (_, name, state) = file(of);
    let mut state = lock(&state);
    if let Some(code) = state.before(Doing::Sync, &name) {
        return code;
    }
    state.file(&name).sync();
    ffi::SQLITE_OK
}
