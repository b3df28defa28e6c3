% MATLAB's h5read for the test of the guide, which Octave lacks: numbers, with dimensions the other way round.
function x = h5read(file, name)
  code = ["import h5py, sys; d = h5py.File(sys.argv[1])[sys.argv[2]]; " ...
          "print(d.ndim, *d.shape, *[repr(float(v)) for v in d[()].ravel()])"];
  [status, text] = system(sprintf("/usr/bin/python3 -c '%s' '%s' '%s'", code, file, name));
  if status != 0
    error("h5read: %s", text);
  end
  numbers = str2double(strsplit(strtrim(text), " "));
  shape = fliplr(numbers(2:1 + numbers(1)));
  x = reshape(numbers(2 + numbers(1):end), [shape, 1]);
end
