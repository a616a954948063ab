// Trains a case and predicts, with the kernels compiled into the program: as another compiler, or for another machine.
// Usage: driver CASE RESULT THREADS. The files are arrays one after the other, each after its size in bytes as 64 bits;
// case.py says which.

#include KERNELS

#include <cstdio>

using Bytes = std::vector<char>;

static Bytes next(FILE* file) {
  int64_t size = 0;
  if (fread(&size, sizeof size, 1, file) != 1) abort();
  Bytes bytes(size);
  if (size && fread(bytes.data(), 1, size, file) != size_t(size)) abort();
  return bytes;
}
static void put(FILE* file, const void* data, int64_t size) {
  fwrite(&size, sizeof size, 1, file);
  if (size) fwrite(data, 1, size, file);
}
template <class T> static T* in(Bytes& bytes) { return bytes.empty() ? nullptr : reinterpret_cast<T*>(bytes.data()); }

struct NetworkBytes {
  Bytes units, parameters, momentum, average, buffers, average_buffers;
  explicit NetworkBytes(FILE* file) {
    for (Bytes* bytes : {&units, &parameters, &momentum, &average, &buffers, &average_buffers}) *bytes = next(file);
  }
  Network* network(int64_t batch) {
    Arrays arrays{in<float>(parameters), in<float>(momentum), in<float>(average), in<float>(buffers), in<float>(average_buffers), int64_t(parameters.size() / 4), int64_t(buffers.size() / 4)};
    return units.empty() ? nullptr : network_new(in<Unit>(units), int(units.size() / sizeof(Unit)), batch, &arrays);
  }
};

int main(int, char** arguments) {
  FILE* file = fopen(arguments[1], "rb");
  if (!file) abort();
  Bytes numbers = next(file), settings = next(file), images = next(file), labels = next(file), order = next(file), rates = next(file);
  NetworkBytes own(file), taught(file);
  fclose(file);
  const int64_t batch = in<int64_t>(numbers)[0], first = in<int64_t>(numbers)[1];
  use_threads(atoi(arguments[3]));
  Network *network = own.network(batch), *teacher = taught.network(batch);
  double loss = 0;
  int64_t hits = 0;
  train(network, teacher, in<Settings>(settings), in<uint8_t>(images), in<int64_t>(labels), in<int64_t>(order), int64_t(order.size() / 8), batch, in<float>(rates), first, &loss, &hits);
  std::vector<float> logits(labels.size() / 8 * CLASSES);
  predict(network, !own.average.empty(), in<Settings>(settings), in<uint8_t>(images), int64_t(labels.size() / 8), logits.data());
  network_delete(network);
  if (teacher) network_delete(teacher);
  file = fopen(arguments[2], "wb");
  if (!file) abort();
  for (const Bytes* bytes : {&own.parameters, &own.momentum, &own.average, &own.buffers, &own.average_buffers}) put(file, bytes->data(), int64_t(bytes->size()));
  put(file, logits.data(), int64_t(logits.size() * sizeof(float))), put(file, &loss, sizeof loss), put(file, &hits, sizeof hits);
  return fclose(file);
}
