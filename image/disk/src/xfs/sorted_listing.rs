//! Preloaded into mkfs.xfs: gives the entries of a folder, and the names of extended attributes, in the order of their
//! bytes.
//!
//! `mkfs.xfs -p` copies a tree in the order in which readdir(3) and listxattr(2) return names, and gives out inode
//! numbers and blocks in that order. File systems return names in an order of their own (ext4 by a hash that is seeded
//! anew for each file system), so the same tree would give another image on another machine.
//!
//! This is a program of its own, compiled by `build.rs` and never linked with the crate. It replaces what mkfs.xfs 7.2
//! imports (`objdump -T`): readdir64, closedir, llistxattr and flistxattr; it imports no rewinddir, seekdir or telldir.

#![no_std]

use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr::{copy_nonoverlapping, null_mut};
use core::sync::atomic::{AtomicBool, Ordering};

/// Printed to standard output when the first folder is read: proof that the loader took this library.
const LOADED: &[u8] = b"sorted-listing: loaded\n";
/// Where dlsym(3) shall look: in what was loaded after this library (`RTLD_NEXT`).
const NEXT: *mut c_void = -1_isize as *mut c_void;

/// `struct dirent64` of Linux, as far as it is needed: what follows is the name, up to `length`.
#[repr(C)]
struct Entry {
    inode: u64,
    offset: i64,
    length: u16,
    kind: u8,
    name: [c_char; 1],
}

type ReadDir = unsafe extern "C" fn(*mut c_void) -> *mut Entry;
type CloseDir = unsafe extern "C" fn(*mut c_void) -> c_int;
type ListPath = unsafe extern "C" fn(*const c_char, *mut c_char, usize) -> isize;
type ListFile = unsafe extern "C" fn(c_int, *mut c_char, usize) -> isize;
type Compare = unsafe extern "C" fn(*const c_void, *const c_void) -> c_int;

unsafe extern "C" {
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
    fn malloc(size: usize) -> *mut c_void;
    fn realloc(memory: *mut c_void, size: usize) -> *mut c_void;
    fn free(memory: *mut c_void);
    fn qsort(base: *mut c_void, count: usize, size: usize, compare: Compare);
    fn strcmp(left: *const c_char, right: *const c_char) -> c_int;
    fn strlen(text: *const c_char) -> usize;
    fn write(file: c_int, bytes: *const c_void, count: usize) -> isize;
    fn abort() -> !;
    fn __errno_location() -> *mut c_int;
}

/// Nothing here panics on purpose; a library without `std` has to say what would happen all the same.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: abort(3) may be called at any time.
    unsafe { abort() }
}

/// A folder that is open and has been read.
struct Listing {
    folder: *mut c_void,
    entries: *mut *mut Entry,
    count: usize,
    given: usize,
    following: *mut Listing,
}

/// The listings of all open folders. mkfs.xfs reads its tree in one thread, but another may exist.
static mut LISTINGS: *mut Listing = null_mut();
static LOCKED: AtomicBool = AtomicBool::new(false);

/// Held while [`LISTINGS`] is looked at.
struct Lock;

impl Lock {
    fn take() -> Self {
        while LOCKED.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            core::hint::spin_loop();
        }
        Self
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        LOCKED.store(false, Ordering::Release);
    }
}

/// The function of the C library that this library hides. Without it there is no way on.
fn next(name: &CStr) -> *mut c_void {
    // SAFETY: the name ends with a zero, and abort(3) may be called at any time.
    unsafe {
        let function = dlsym(NEXT, name.as_ptr());
        if function.is_null() { abort() } else { function }
    }
}

/// Memory for so many bytes; a lack of it ends the program, as it would end mkfs.xfs.
fn allocate(size: usize) -> *mut c_void {
    // SAFETY: any size may be asked for, and abort(3) may be called at any time.
    unsafe {
        let memory = malloc(size.max(1));
        if memory.is_null() { abort() } else { memory }
    }
}

/// readdir(3), in order.
///
/// # Safety
/// `folder` must come from opendir(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn readdir64(folder: *mut c_void) -> *mut Entry {
    let _lock = Lock::take();
    // SAFETY: the lock is held, so nothing else uses the list or a listing on it; every listing on it is valid, because
    // only `close` removes and frees one; `given` is checked to be within the array.
    unsafe {
        let mut listing = find(folder);
        if listing.is_null() {
            listing = read(folder);
        }
        if listing.is_null() || (*listing).given == (*listing).count {
            return null_mut();
        }
        (*listing).given += 1;
        *(*listing).entries.add((*listing).given - 1)
    }
}

/// readdir(3) under its other name: on 64-bit Linux both are one.
///
/// # Safety
/// `folder` must come from opendir(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn readdir(folder: *mut c_void) -> *mut Entry {
    // SAFETY: the caller keeps the promise that is asked for here.
    unsafe { readdir64(folder) }
}

/// closedir(3), which also ends the listing.
///
/// # Safety
/// `folder` must come from opendir(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn closedir(folder: *mut c_void) -> c_int {
    let lock = Lock::take();
    // SAFETY: the lock is held; the C library's function has the type that closedir(3) gives.
    unsafe {
        forget(folder);
        drop(lock);
        let close: CloseDir = core::mem::transmute(next(c"closedir"));
        close(folder)
    }
}

/// The listing of a folder, null if it was not read yet.
///
/// # Safety
/// The lock must be held.
unsafe fn find(folder: *mut c_void) -> *mut Listing {
    // SAFETY: the list holds valid listings only.
    unsafe {
        let mut listing = LISTINGS;
        while !listing.is_null() && (*listing).folder != folder {
            listing = (*listing).following;
        }
        listing
    }
}

/// Reads a whole folder and sorts it; null, with errno set, if that fails.
///
/// # Safety
/// The lock must be held, and `folder` must come from opendir(3).
unsafe fn read(folder: *mut c_void) -> *mut Listing {
    // SAFETY: the C library's function has the type that readdir(3) gives; an entry is valid, and `length` bytes long,
    // until the next call; the array has room for `room` pointers, of which `count` are set.
    unsafe {
        write(1, LOADED.as_ptr().cast(), if LISTINGS.is_null() { LOADED.len() } else { 0 });
        let read: ReadDir = core::mem::transmute(next(c"readdir64"));
        let (mut entries, mut count, mut room): (*mut *mut Entry, _, _) = (null_mut(), 0, 0);
        *__errno_location() = 0;
        loop {
            let entry = read(folder);
            if entry.is_null() {
                break;
            }
            if count == room {
                room = room * 2 + 16;
                entries = realloc(entries.cast(), room * size_of::<*mut Entry>()).cast();
                if entries.is_null() {
                    abort();
                }
            }
            let copy = allocate((*entry).length.into());
            copy_nonoverlapping(entry.cast::<u8>(), copy.cast(), (*entry).length.into());
            *entries.add(count) = copy.cast();
            count += 1;
        }
        if count > 0 {
            qsort(entries.cast(), count, size_of::<*mut Entry>(), compare_entries);
        }
        let listing: *mut Listing = allocate(size_of::<Listing>()).cast();
        listing.write(Listing { folder, entries, count, given: 0, following: LISTINGS });
        LISTINGS = listing;
        if *__errno_location() != 0 {
            forget(folder);
            return null_mut();
        }
        listing
    }
}

/// Takes the listing of a folder off the list and frees it.
///
/// # Safety
/// The lock must be held.
unsafe fn forget(folder: *mut c_void) {
    // SAFETY: the list holds valid listings only, whose entries were allocated one by one; `link` points to the pointer
    // that leads to `listing`.
    unsafe {
        let listing = find(folder);
        if listing.is_null() {
            return;
        }
        let mut link = &raw mut LISTINGS;
        while *link != listing {
            link = &raw mut (**link).following;
        }
        *link = (*listing).following;
        for index in 0..(*listing).count {
            free((*(*listing).entries.add(index)).cast());
        }
        free((*listing).entries.cast());
        free(listing.cast());
    }
}

/// For qsort(3): by the bytes of the names.
unsafe extern "C" fn compare_entries(left: *const c_void, right: *const c_void) -> c_int {
    // SAFETY: qsort(3) gives pointers into the array, which holds pointers to valid entries.
    unsafe { strcmp(name(*left.cast()), name(*right.cast())) }
}

/// Where the name of an entry begins.
unsafe fn name(entry: *const Entry) -> *const c_char {
    // SAFETY: the caller gives a valid entry, and no reference to the array of one, which is too short, is made.
    unsafe { (&raw const (*entry).name).cast() }
}

/// llistxattr(2), in order.
///
/// # Safety
/// As for llistxattr(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llistxattr(path: *const c_char, list: *mut c_char, size: usize) -> isize {
    // SAFETY: the C library's function has the type that llistxattr(2) gives, and is called as this one was.
    unsafe {
        let next: ListPath = core::mem::transmute(next(c"llistxattr"));
        sorted(list, next(path, list, size), size)
    }
}

/// flistxattr(2), in order.
///
/// # Safety
/// As for flistxattr(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flistxattr(file: c_int, list: *mut c_char, size: usize) -> isize {
    // SAFETY: the C library's function has the type that flistxattr(2) gives, and is called as this one was.
    unsafe {
        let next: ListFile = core::mem::transmute(next(c"flistxattr"));
        sorted(list, next(file, list, size), size)
    }
}

/// Sorts the names in `list`, each ended by a zero, `length` bytes in all; gives back `length`.
///
/// # Safety
/// `list` must be valid for `length` bytes unless `length` is not positive or `size`, its size, is 0.
unsafe fn sorted(list: *mut c_char, length: isize, size: usize) -> isize {
    if length <= 0 || size == 0 {
        return length;
    }
    // SAFETY: the kernel has written `length` bytes, of which the last is a zero; there are at most as many names as
    // bytes; the names are copied from a copy, so that they can be written back in another order.
    unsafe {
        let copy: *mut c_char = allocate(length as usize).cast();
        copy_nonoverlapping(list, copy, length as usize);
        let names: *mut *const c_char = allocate(length as usize * size_of::<*const c_char>()).cast();
        let (mut count, mut position) = (0, 0);
        while position < length as usize {
            *names.add(count) = copy.add(position);
            position += strlen(copy.add(position)) + 1;
            count += 1;
        }
        qsort(names.cast(), count, size_of::<*const c_char>(), compare_names);
        let mut target = list;
        for index in 0..count {
            let length = strlen(*names.add(index)) + 1;
            copy_nonoverlapping(*names.add(index), target, length);
            target = target.add(length);
        }
        free(names.cast());
        free(copy.cast());
    }
    length
}

/// For qsort(3): by their bytes.
unsafe extern "C" fn compare_names(left: *const c_void, right: *const c_void) -> c_int {
    // SAFETY: qsort(3) gives pointers into the array, which holds pointers to names that end with a zero.
    unsafe { strcmp(*left.cast(), *right.cast()) }
}
