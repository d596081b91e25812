//! Between a layer's stream and the tar reader: what passes and is no file's contents goes to the layer's record.

use crate::image::record::Recorder;
use std::cell::RefCell;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;

/// The record of the layer that is being unpacked, shared by the [`Tap`] and whoever unpacks. Without a record it does
/// nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Recording(Option<Rc<RefCell<State>>>);

#[derive(Debug)]
struct State {
    recorder: Recorder,
    is_contents: bool,
    failure: Option<io::Error>,
}

impl Recording {
    pub(super) fn new(recorder: Recorder) -> Self {
        Self(Some(Rc::new(RefCell::new(State {
            recorder,
            is_contents: false,
            failure: None,
        }))))
    }

    /// Says that what is read now is the contents of a file, until [`Self::file`].
    pub(super) fn contents(&self) {
        if let Some(state) = &self.0 {
            state.borrow_mut().is_contents = true;
        }
    }

    /// Says which file the contents were.
    pub(super) fn file(&self, path: &Path, size: u64, crc: u32) -> io::Result<()> {
        let Some(state) = &self.0 else { return Ok(()) };
        let mut state = state.borrow_mut();
        state.is_contents = false;
        match size {
            0 => Ok(()),
            _ => state.recorder.file(path, size, crc),
        }
    }

    /// Notes that what stands at `path` gives way and gets a number.
    pub(super) fn moved(&self, path: &Path, number: u32) -> io::Result<()> {
        match &self.0 {
            None => Ok(()),
            Some(state) => state.borrow_mut().recorder.moved(path, number),
        }
    }

    /// What kept the [`Tap`] from writing the record.
    pub(super) fn failure(&self) -> Option<io::Error> {
        self.0.as_ref()?.borrow_mut().failure.take()
    }

    /// Ends the record, when the [`Tap`] is gone.
    pub(super) fn finish(self) -> io::Result<()> {
        let Some(state) = self.0 else { return Ok(()) };
        let state = Rc::into_inner(state).ok_or_else(|| io::Error::other("the layer's record is in use"))?;
        state.into_inner().recorder.finish()
    }
}

/// The reader.
pub(super) struct Tap<R> {
    inner: R,
    recording: Recording,
}

impl<R> Tap<R> {
    pub(super) fn new(inner: R, recording: Recording) -> Self {
        Self { inner, recording }
    }
}

impl<R: Read> Read for Tap<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        if let Some(state) = &self.recording.0 {
            let mut state = state.borrow_mut();
            if !state.is_contents
                && let Err(error) = state.recorder.raw(&buffer[..length])
            {
                state.failure = Some(error);
                return Err(io::Error::other("the layer's record cannot be written"));
            }
        }
        Ok(length)
    }
}
