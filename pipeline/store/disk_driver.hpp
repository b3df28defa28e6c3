// The file driver under everything this folder writes. HDF5 1.10 cannot be closed cleanly once a
// write has failed (it crashes in H5Fclose or at exit), so here a failed write is remembered and
// reported as done; the caller looks at the error after every step, closes and throws the file
// away. No file locking: file systems without it work.
#pragma once

#include <hdf5.h>

namespace boldmill::store {

struct DiskState {
  int error = 0;      // errno of the first failed call on the open file, 0 when none
  int open_error = 0; // errno of the last failed open (HDF5 opens on trial before it creates)
};

// File access properties use the driver from now on. `state` must outlive the file.
herr_t use_disk_driver(hid_t access_properties, DiskState* state);

} // namespace boldmill::store
