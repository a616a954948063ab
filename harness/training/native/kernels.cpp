// Training steps of small convolutional networks, with the same bits on every machine.
//
// Layout. A batch is cut into blocks of 16 images, and a block of maps lies as [channel][row][column][image]: the 16
// numbers of one pixel are one vector (or two, or four, as wide as the machine has them), so that 8 or 10 channels
// waste nothing. What is left of the last block is computed and not counted.
//
// A network is a list of units: a convolution (or an average, or nothing), then what follows it element by element,
// then a max-pool. Of each unit the maps of its convolution are stored (`raw`) and the gradient of what follows
// (`gradient`); the input of the next unit is built from `raw` whenever it is needed, block by block, in a cache.
// Between the units there is a barrier, for the statistics of batch normalization; within one, blocks are independent.
//
// Bits. Results do not depend on the width of a vector, the number of threads, the shape of a tile or the compiler:
//   1. Every multiply-add of floats is written as `fma`, and -ffp-contract=off forbids the compiler to make others.
//   2. A lane is an image. Sums over pixels are kept per lane, in an order that no tile or vector can change.
//   3. Lanes, blocks and chunks of blocks are added up in a fixed order; their number depends on the batch alone.
//   4. Of the library only + - * / and sqrt, which IEEE 754 defines to the last bit. exp, log, sine and cosine follow.
// Whoever changes a result by a bit gives NUMERICS in coverage.py a new number.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <unistd.h>
#include <vector>
#if defined __x86_64__
#include <immintrin.h>
#endif
#if defined __aarch64__
#include <arm_neon.h>
#endif

// ------------------------------------------------------------------------------------------------------------ vectors

#ifndef VL  // numbers in a vector: 16, 8 or 4
#if defined __AVX512F__
#define VL 16
#elif defined __AVX__
#define VL 8
#else
#define VL 4
#endif
#endif
#if VL == 16 || defined __aarch64__  // 32 registers: 24 sums and what they are made of
#define TILE 6
#else  // 16 registers: 12 sums
#define TILE 3
#endif
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
#ifndef MANY_WEIGHTS  // of a convolution: the lanes of as many take a megabyte
#define MANY_WEIGHTS 16384
#endif
#define INLINE inline __attribute__((always_inline))

constexpr int B = 16;      // images in a block: part of the definition of a result, as are CHUNKS and ROWS
constexpr int CHUNKS = 8;  // partial sums of the gradient of a weight, at most
constexpr int ROWS = 4;    // rows in one run of such a sum
constexpr int PARTS = B / VL;
constexpr int SIDE = 28, PIXELS = SIDE * SIDE, CLASSES = 10;

typedef float vf __attribute__((vector_size(4 * VL)));
typedef int32_t vi __attribute__((vector_size(4 * VL)));
typedef uint32_t vu __attribute__((vector_size(4 * VL)));
typedef double vd __attribute__((vector_size(8 * VL)));

static INLINE vf load(const float* p) { return *(const vf*)__builtin_assume_aligned(p, 4 * VL); }
static INLINE void store(float* p, vf v) { *(vf*)__builtin_assume_aligned(p, 4 * VL) = v; }
static INLINE vf splat(float x) { return x - vf{}; }  // exact, for -0 too

// a * b + c, rounded once.
static INLINE vf fma(vf a, vf b, vf c) {
#if VL == 16 && defined __AVX512F__
  return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif VL == 8 && defined __FMA__
  return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif VL == 4 && defined __FMA__
  return (vf)_mm_fmadd_ps((__m128)a, (__m128)b, (__m128)c);
#elif VL == 4 && defined __aarch64__
  return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else  // without the instruction the C library has a slow one that is as exact
  UNROLL for (int i = 0; i < VL; i++) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return c;
#endif
}
static INLINE vf relu(vf x) { return x < 0 ? vf{} : x; }  // NaN stays NaN
static INLINE vf floor(vf x) {  // below 2^31
  vf whole = __builtin_convertvector(__builtin_convertvector(x, vi), vf);
  return whole > x ? whole - 1.0f : whole;
}

// Denormals are kept, and results rounded to nearest, whatever another library has set on this thread.
class FloatEnvironment {
#if defined __x86_64__
  unsigned before = _mm_getcsr();

 public:
  FloatEnvironment() { _mm_setcsr(0x1f80); }
  ~FloatEnvironment() { _mm_setcsr(before); }
#elif defined __aarch64__
  uint64_t before;

 public:
  FloatEnvironment() {
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"(uint64_t(0)));
  }
  ~FloatEnvironment() { __asm__ volatile("msr fpcr, %0" : : "r"(before)); }
#endif
};

// ---------------------------------------------------------------------------------------------- functions of one's own

static double round_even(double x) { return (x + 6755399441055744.0) - 6755399441055744.0; }  // below 2^51

static double exp_(double x) {  // 2^k e^r, |r| <= ln 2 / 2, by the series of e^r; two units in the last place
  if (!(x > -700)) return x == x ? 0 : x;
  if (x > 700) return INFINITY;
  double k = round_even(x * 1.4426950408889634);
  double r = (x - k * 0.693147180369123816490) - k * 1.90821492927058770002e-10;
  double sum = 1;
  for (int n = 14; n > 0; n--) sum = 1 + sum * (r * (1.0 / n));
  uint64_t bits = uint64_t(int64_t(k) + 1023) << 52;
  double power;
  memcpy(&power, &bits, 8);
  return sum * power;
}

static double log_(double x) {  // of a normal x > 0: e ln 2 + 2 atanh((m - 1) / (m + 1))
  if (x != x) return x;
  uint64_t bits;
  memcpy(&bits, &x, 8);
  int exponent = int(bits >> 52) - 1023;
  bits = (bits & 0xfffffffffffffull) | 0x3ff0000000000000ull;
  double m;
  memcpy(&m, &bits, 8);
  if (m > 1.4142135623730951) m /= 2, exponent++;
  double t = (m - 1) / (m + 1), square = t * t, sum = 0;
  for (int k = 21; k > 0; k -= 2) sum = sum * square + 1.0 / k;
  return 2 * t * sum + exponent * 0.6931471805599453;
}

static void turn(double turns, double& sine, double& cosine) {  // of an angle, by series within an eighth of a turn
  double quarter = round_even(4 * turns), x = (turns - quarter / 4) * 6.283185307179586, square = x * x;
  double s = 1, c = 1;
  for (int n = 16; n > 0; n -= 2) s = 1 - s * (square / (n * (n + 1))), c = 1 - c * (square / (n * (n - 1)));
  s *= x;
  int q = int(int64_t(quarter) & 3);
  sine = q == 0 ? s : q == 1 ? c : q == 2 ? -s : -c;
  cosine = q == 0 ? c : q == 1 ? -s : q == 2 ? -c : s;
}

// --------------------------------------------------------------------------------------------------------- randomness
// Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011): four words
// from a counter and a key. The key is the seed; the counter says what the words are for (place, image, step, purpose).

constexpr uint32_t PHILOX_M0 = 0xD2511F53, PHILOX_M1 = 0xCD9E8D57, PHILOX_W0 = 0x9E3779B9, PHILOX_W1 = 0xBB67AE85;
constexpr uint32_t AUGMENTATION = 0, DROPOUT = 1;  // purposes; the dropout of unit u is DROPOUT + u

static INLINE void multiply(vu a, uint32_t m, vu& high, vu& low) {
#if VL == 16 && defined __AVX512F__
  __m512i factor = _mm512_set1_epi64(m), even = _mm512_mul_epu32((__m512i)a, factor);
  __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64((__m512i)a, 32), factor);
  high = (vu)_mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd);
  low = (vu)_mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32));
#elif VL == 8 && defined __AVX2__
  __m256i factor = _mm256_set1_epi64x(m), even = _mm256_mul_epu32((__m256i)a, factor);
  __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64((__m256i)a, 32), factor);
  high = (vu)_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
  low = (vu)_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
#else
  UNROLL for (int i = 0; i < VL; i++) {
    uint64_t product = uint64_t(a[i]) * m;
    high[i] = uint32_t(product >> 32), low[i] = uint32_t(product);
  }
#endif
}
// Philox for VL counters at once: c0..c3 in, four words out in their place.
static INLINE void philox(vu& c0, vu& c1, vu& c2, vu& c3, uint64_t seed) {
  uint32_t k0 = uint32_t(seed), k1 = uint32_t(seed >> 32);
  for (int round = 0; round < 10; round++, k0 += PHILOX_W0, k1 += PHILOX_W1) {
    vu h0, l0, h1, l1;
    multiply(c0, PHILOX_M0, h0, l0), multiply(c2, PHILOX_M1, h1, l1);
    c0 = h1 ^ c1 ^ k0, c1 = l1, c2 = h0 ^ c3 ^ k1, c3 = l0;
  }
}
struct Words { uint32_t word[4]; };
static Words philox(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint64_t seed) {
  uint32_t k0 = uint32_t(seed), k1 = uint32_t(seed >> 32);
  for (int round = 0; round < 10; round++, k0 += PHILOX_W0, k1 += PHILOX_W1) {
    uint64_t p0 = uint64_t(c0) * PHILOX_M0, p1 = uint64_t(c2) * PHILOX_M1;
    uint32_t n0 = uint32_t(p1 >> 32) ^ c1 ^ k0, n2 = uint32_t(p0 >> 32) ^ c3 ^ k1;
    c0 = n0, c1 = uint32_t(p1), c2 = n2, c3 = uint32_t(p0);
  }
  return {{c0, c1, c2, c3}};
}
// In [0, 1).
static double unit(uint32_t high, uint32_t low) { return double((uint64_t(high) << 32 | low) >> 11) * 0x1p-53; }

// One bit per lane: whether its word is `least` or more.
static INLINE uint32_t at_least(vu words, uint32_t least) {
#if VL == 16 && defined __AVX512F__
  return _mm512_cmpge_epu32_mask((__m512i)words, _mm512_set1_epi32(int(least)));
#elif VL == 8 && defined __AVX2__
  return uint32_t(_mm256_movemask_ps((__m256)(words >= least)));
#else
  uint32_t bits = 0;
  UNROLL for (int i = 0; i < VL; i++) bits |= uint32_t(words[i] >= least) << i;
  return bits;
#endif
}
// x in the lanes whose bit is set, 0 in the others.
static INLINE vf where(uint32_t bits, vf x) {
#if VL == 16 && defined __AVX512F__
  return (vf)_mm512_maskz_mov_ps(__mmask16(bits), (__m512)x);
#else
  vi lane;
  UNROLL for (int i = 0; i < VL; i++) lane[i] = 1 << i;
  return ((vi)(bits - vu{}) & lane) != 0 ? x : vf{};
#endif
}

// ------------------------------------------------------------------------------------------------------------ threads

// Runs work(thread, index) for each index below n, on all threads, in any order.
class Pool {
 public:
  using Work = std::function<void(int, int)>;
  const int wanted;
  int threads = 1;  // as many, or as there are
  const pid_t process = getpid();
  explicit Pool(int wanted) : wanted(wanted) {
    try {
      for (; threads < wanted; threads++) std::thread([this, t = threads] { serve(t); }).detach();
    } catch (const std::system_error&) {  // there are no more, which is slower and no fault
    }
  }
  void run(int n, const Work& work) {
    if (threads == 1 || n == 1) {
      for (int i = 0; i < n; i++) work(0, i);
      return;
    }
    work_ = &work, n_ = n, next_ = 0, busy_ = threads - 1;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      round_++;
    }
    wake_.notify_all();
    take(0);
    for (int i = 0; busy_ > 0; i++)
      if (i > 10000) std::this_thread::yield();
  }

 private:
  void take(int thread) {
    for (int i; (i = next_++) < n_;) (*work_)(thread, i);
  }
  void serve(int thread) {
    FloatEnvironment environment;
    for (long seen = 0;; seen++) {
      for (int i = 0; i < 20000 && round_ == seen; i++) {}  // units follow each other within microseconds
      if (round_ == seen) {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return round_ != seen; });
      }
      take(thread);
      busy_--;
    }
  }
  const Work* work_ = nullptr;
  int n_ = 0;
  std::atomic<int> next_{0}, busy_{0};
  std::atomic<long> round_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
};
// One pool for all networks. One that is not wanted sleeps until it is again: its threads may not end before it.
static Pool* pool = new Pool(1);
static std::mutex one_caller;

// -------------------------------------------------------------------------------------------------------------- maps

// Where the maps of a block lie: with `gap` columns of zeros before, between and after the rows, for kernels that
// reach beyond.
struct Grid {
  int channels, side, gap;
  long row, channel, size;
  Grid(int channels = 0, int side = 0, int gap = 0) : channels(channels), side(side), gap(gap) {
    row = long(side + gap) * B;
    channel = side * row + gap * B;
    if (channel / B % 2 == 0) channel += B;  // channels must not all fall on the same sets of a cache
    size = channels * channel + gap * B;
  }
  long at(int c, int y) const { return gap * B + c * channel + y * row; }
  long vectors() const { return long(side) * PARTS; }  // in a row
};

struct Buffer {  // of floats, aligned to a cache line, zero at first
  std::unique_ptr<float, void (*)(void*)> data{nullptr, free};
  void allocate(long n) {
    size_t bytes = (size_t(n) * 4 + 127) / 64 * 64;
    data.reset(static_cast<float*>(aligned_alloc(64, bytes)));
    if (!data) throw std::bad_alloc();
    memset(data.get(), 0, bytes);
  }
  operator float*() const { return data.get(); }
};

// Two sums per channel: in float along a row, then in double, then over lanes in their order.
struct Sums {
  std::vector<double> lanes;  // [channels][2][16]
  void start(int channels) { lanes.assign(size_t(channels) * 2 * B, 0); }
  INLINE void add(int c, int which, const vf (&row)[PARTS]) {
    double* p = &lanes[(size_t(c) * 2 + which) * B];
    for (int h = 0; h < PARTS; h++, p += VL) {
      vd sum, wide = __builtin_convertvector(row[h], vd);
      memcpy(&sum, p, sizeof sum);
      sum += wide;
      memcpy(p, &sum, sizeof sum);
    }
  }
  void total(int images, double* out) const {  // [channels][2], over the first lanes
    for (size_t i = 0; i < lanes.size() / B; i++) {
      out[i] = 0;
      for (int l = 0; l < images; l++) out[i] += lanes[i * B + l];
    }
  }
};

// ------------------------------------------------------------------------------------------------------- convolutions
// A result is sum = fma(weight, input, sum) from the bias or 0, over channels, rows and columns of the kernel, in this
// order. Rows of the kernel that lie beyond the maps are left out; columns there meet the zeros of the gap.

using AfterRow = std::function<void(int first_channel, int last_channel, int row)>;

struct Shape {  // of a convolution: channels are those of one group
  int in, out, groups, kernel, stride, padding, side_in, side;
  long weights() const { return long(out) * groups * in * kernel * kernel; }
  void rows(int y, int& first, int& last) const {  // of the kernel that lie within the maps, for row y of the result
    first = std::max(0, padding - y * stride), last = std::min(kernel, side_in + padding - y * stride);
  }
};

// C channels by V vectors along a row, from the vector t on. K is the kernel of a convolution without strides, or 0.
template <int K, int C, int V>
static INLINE void tile(const Shape& s, const Grid& g, const float* in, int first, int last, const float* w,
                        const float* bias, int t, float* out, long channel) {
  const int kernel = K ? K : s.kernel;
  vf sum[C][V];
  long at[V];
  UNROLL for (int v = 0; v < V; v++) {
    const int pixel = (t + v) / PARTS - t / PARTS, part = (t + v) % PARTS - t % PARTS;
    at[v] = K ? v * VL : long(pixel) * s.stride * B + part * VL;
  }
  UNROLL for (int c = 0; c < C; c++)
    UNROLL for (int v = 0; v < V; v++) sum[c][v] = bias ? splat(bias[c]) : vf{};
  for (int i = 0; i < s.in; i++)
    for (int k = first; k < last; k++) {
      const float* p = in + i * g.channel + k * g.row;
      const float* q = w + (i * kernel + k) * kernel * C;
      for (int j = 0; j < kernel; j++) {
        vf x[V];
        UNROLL for (int v = 0; v < V; v++) x[v] = load(p + j * B + at[v]);
        UNROLL for (int c = 0; c < C; c++) {
          vf b = splat(q[j * C + c]);
          UNROLL for (int v = 0; v < V; v++) sum[c][v] = fma(b, x[v], sum[c][v]);
        }
      }
    }
  UNROLL for (int c = 0; c < C; c++)
    UNROLL for (int v = 0; v < V; v++) store(out + c * channel + v * VL, sum[c][v]);
}
static int tile_channels(int left) { return left == 3 || left == 5 || left == 6 ? 3 : left >= 4 ? 4 : left; }

template <int K, int C, class... Rest>
static INLINE void tile_of(int vectors, Rest&&... rest) {
  if (vectors >= TILE) return tile<K, C, TILE>(rest...);
  if constexpr (TILE > 5) if (vectors == 5) return tile<K, C, 5>(rest...);
  if constexpr (TILE > 4) if (vectors == 4) return tile<K, C, 4>(rest...);
  if constexpr (TILE > 3) if (vectors == 3) return tile<K, C, 3>(rest...);
  if (vectors == 2) return tile<K, C, 2>(rest...);
  return tile<K, C, 1>(rest...);
}
// The result of a block, group by group (of a depthwise convolution: channel by channel) and row by row; after_row is
// called with each row while it is in the cache.
template <int K>
static void convolve(const Shape& s, const Grid& g, const float* in, const float* packed, const float* bias,
                     const Grid& to, float* out, const AfterRow& after_row) {
  const int vectors = int(to.vectors());
  for (int group = 0; group < s.groups; group++)
    for (int y = 0; y < s.side; y++) {
      int first, last;
      s.rows(y, first, last);
      const float* row = in + g.at(group * s.in, y * s.stride - s.padding) - s.padding * B;
      for (int t = 0; t < vectors; t += TILE)
        for (int c = group * s.out, n; c < (group + 1) * s.out; c += n) {
          n = tile_channels((group + 1) * s.out - c);
          const float* w = packed + long(c) * s.in * s.kernel * s.kernel;
          const float* b = bias ? bias + c : nullptr;
          const float* p = row + long(t / PARTS) * s.stride * B + t % PARTS * VL;
          float* o = out + to.at(c, y) + t * VL;
          if (n == 4) tile_of<K, 4>(vectors - t, s, g, p, first, last, w, b, t, o, to.channel);
          else if (n == 3) tile_of<K, 3>(vectors - t, s, g, p, first, last, w, b, t, o, to.channel);
          else if (n == 2) tile_of<K, 2>(vectors - t, s, g, p, first, last, w, b, t, o, to.channel);
          else tile_of<K, 1>(vectors - t, s, g, p, first, last, w, b, t, o, to.channel);
        }
      after_row(group * s.out, (group + 1) * s.out, y);
    }
}
static void convolution(const Shape& s, const Grid& g, const float* in, const float* packed, const float* bias,
                        const Grid& to, float* out, const AfterRow& after_row) {
  const int kernel = s.stride > 1 ? 0 : s.kernel;
  auto with_kernel = kernel == 1 ? convolve<1> : kernel == 3 ? convolve<3> : convolve<0>;
  with_kernel(s, g, in, packed, bias, to, out, after_row);
}

// Weights [groups * out][in][k][k] in the order of the tiles: [tile][in][k][k][channel of the tile].
static void pack(const Shape& s, const float* w, float* to) {
  const int area = s.kernel * s.kernel;
  for (int group = 0; group < s.groups; group++)
    for (int c0 = 0, n; c0 < s.out; c0 += n) {
      n = tile_channels(s.out - c0);
      const float* from = w + long(group * s.out + c0) * s.in * area;
      for (int i = 0; i < s.in * area; i++)
        for (int c = 0; c < n; c++) *to++ = from[long(c) * s.in * area + i];
    }
}
// The same for the gradient of the input, in which channels in and out change places and the kernel is turned about.
static void pack_turned(const Shape& s, const float* w, float* to) {
  const int area = s.kernel * s.kernel;
  for (int group = 0; group < s.groups; group++)
    for (int c0 = 0, n; c0 < s.in; c0 += n) {
      n = tile_channels(s.in - c0);
      for (int o = 0; o < s.out; o++)
        for (int k = area - 1; k >= 0; k--)
          for (int c = 0; c < n; c++) *to++ = w[(long(group * s.out + o) * s.in + c0 + c) * area + k];
    }
}

// lanes[weight][16] += sum of gradient * input: runs of ROWS rows, and in a run a lane over rows and columns in order.
// Taps of one row of the kernel, (channel in, column), are taken T at a time, for C channels out. K is the kernel, of
// which T is a multiple, or 0: taps that lie side by side need one address for all.
template <int K, int C, int T>
static INLINE void run_of_rows(const Shape& s, const Grid& g, const float* in, const Grid& d, const float* gradient,
                               int y0, int k, const long* at, float* lanes, const long* weight, long next) {
  for (int part = 0; part < B; part += VL) {  // not two parts into one sum: the order would depend on VL
    vf sum[C][T];
    UNROLL for (int c = 0; c < C; c++)
      UNROLL for (int i = 0; i < T; i++) sum[c][i] = vf{};
    for (int y = y0; y < std::min(y0 + ROWS, s.side); y++) {
      int row = y * s.stride + k - s.padding;
      if (row < 0 || row >= s.side_in) continue;
      const float *p = in + row * g.row + part, *q = gradient + y * s.stride * d.row + part;
      const long end = long(s.side) * s.stride * B, step = s.stride * B;
      for (long t = 0; t < end; t += step) {
        vf x[T];
        UNROLL for (int i = 0; i < T; i++) x[i] = load(p + (K ? at[i / K * K] + i % K * B : at[i]) + t);
        UNROLL for (int c = 0; c < C; c++) {
          vf v = load(q + c * d.channel + t);
          UNROLL for (int i = 0; i < T; i++) sum[c][i] = fma(v, x[i], sum[c][i]);
        }
      }
    }
    UNROLL for (int c = 0; c < C; c++)
      UNROLL for (int i = 0; i < T; i++) {
        float* lane = lanes + (c * next + weight[i]) * B + part;
        store(lane, load(lane) + sum[c][i]);
      }
  }
}
template <int C, class... Rest>
static INLINE void run_of(int taps, const Shape& s, Rest&&... rest) {
  if (s.kernel == 3) return taps == TILE ? run_of_rows<3, C, TILE>(s, rest...) : run_of_rows<3, C, 3>(s, rest...);
  if (taps == TILE) return run_of_rows<0, C, TILE>(s, rest...);
  if constexpr (TILE > 5) if (taps == 5) return run_of_rows<0, C, 5>(s, rest...);
  if constexpr (TILE > 4) if (taps == 4) return run_of_rows<0, C, 4>(s, rest...);
  if constexpr (TILE > 3) if (taps == 3) return run_of_rows<0, C, 3>(s, rest...);
  if (taps == 2) return run_of_rows<0, C, 2>(s, rest...);
  return run_of_rows<0, C, 1>(s, rest...);
}
template <class... Rest>
static void run(int channels, Rest&&... rest) {
  if (channels == 4) run_of<4>(rest...);
  else if (channels == 3) run_of<3>(rest...);
  else if (channels == 2) run_of<2>(rest...);
  else run_of<1>(rest...);
}
// The address in a block of each of n taps, the first of which has the number `tap`; `first` is the first channel in of
// their group.
static void find_taps(const Shape& s, const Grid& g, int first, int tap, int n, long* at) {
  for (int i = 0; i < n; i++) at[i] = g.at(first + (tap + i) / s.kernel, 0) + ((tap + i) % s.kernel - s.padding) * B;
}
// The index of the weight of a tap in row k of the kernel, to a channel out.
static long index_of_weight(const Shape& s, int channel, int tap, int k) {
  return ((long(channel) * s.in + tap / s.kernel) * s.kernel + k) * s.kernel + tap % s.kernel;
}
static void weight_gradient(const Shape& s, const Grid& g, const float* in, const Grid& d, const float* gradient,
                            float* lanes) {
  const long next = long(s.in) * s.kernel * s.kernel;  // from one channel out to the next
  const int taps = s.in * s.kernel;
  for (int y = 0; y < s.side; y += ROWS)
    for (int group = 0; group < s.groups; group++)
      for (int c = 0, n; c < s.out; c += n) {
        n = tile_channels(s.out - c);
        const int channel = group * s.out + c;
        const float* q = gradient + d.at(channel, 0);
        float* to = lanes + channel * next * B;
        for (int k = 0; k < s.kernel; k++)
          for (int tap = 0, m; tap < taps; tap += m) {
            m = std::min(TILE, taps - tap);
            long at[TILE], weight[TILE];
            find_taps(s, g, group * s.in, tap, m, at);
            for (int i = 0; i < m; i++) weight[i] = index_of_weight(s, 0, tap + i, k);
            run(n, m, s, g, in, d, q, y, k, at, to, weight, next);
          }
      }
}
static int first_of_chunk(int chunk, int blocks) { return chunk * blocks / std::min(blocks, CHUNKS); }
static float sum_of_lanes(float* lane) {  // by a tree
  for (int width = B / 2; width > 0; width /= 2)
    for (int l = 0; l < width; l++) lane[l] += lane[l + width];
  return lane[0];
}
// The gradient of the weights of n <= 4 channels out by all blocks of a batch. It is that of weight_gradient and
// Network::reduce, to the last bit; but tile by tile, since the lanes of many weights are more than a cache holds. In
// `total` there is room for the lanes of two tiles.
static void weight_gradient_of_batch(const Shape& s, const Grid& g, const std::vector<const float*>& in, const Grid& d,
                                     const float* gradient, int blocks, int channel, int n, float* total, float* to) {
  const int chunks = std::min(blocks, CHUNKS), taps = s.in * s.kernel, first = channel / s.out * s.in;
  const bool one_run = blocks == chunks && s.side <= ROWS;  // in a chunk: the sum of its runs
  for (int tap = 0, m; tap < taps; tap += m) {
    m = std::min(TILE, taps - tap);
    long at[TILE], own[TILE];
    find_taps(s, g, first, tap, m, at);
    for (int i = 0; i < m; i++) own[i] = i;
    const long row = long(n) * m * B, numbers = s.kernel * row;  // [row of the kernel][channel out][tap][lane]
    float* lanes = one_run ? total : total + numbers;
    memset(total, 0, numbers * sizeof(float));
    for (int chunk = 0; chunk < chunks; chunk++) {
      if (!one_run) memset(lanes, 0, numbers * sizeof(float));
      for (int i = first_of_chunk(chunk, blocks); i < first_of_chunk(chunk + 1, blocks); i++)
        for (int y = 0; y < s.side; y += ROWS)
          for (int k = 0; k < s.kernel; k++)
            run(n, m, s, g, in[i], d, gradient + i * d.size + d.at(channel, 0), y, k, at, lanes + k * row, own, m);
      for (long i = 0; !one_run && i < numbers; i += VL) store(total + i, load(total + i) + load(lanes + i));
    }
    for (int k = 0; k < s.kernel; k++)
      for (int j = 0; j < n; j++)
        for (int i = 0; i < m; i++)
          to[index_of_weight(s, channel + j, tap + i, k)] = sum_of_lanes(total + k * row + (j * m + i) * B);
  }
}

// ------------------------------------------------------------------------------------------------------------ batches

struct Settings {  // of a recipe, as library.py fills it in
  double mean, deviation;  // of pixels in [0, 1]
  double degrees, translate, least_scale, most_scale, fill, shear, elastic;
  double momentum, weight_decay, average, share, temperature;
  uint64_t seed;
  int32_t augmentation;  // one of the four below
  int32_t nesterov;
};
enum Augmentation { NONE, IMAGE, NEAREST, BILINEAR };

static void grey_levels(const Settings& settings, float* normalized) {
  for (int v = 0; v < 256; v++) normalized[v] = (float(v) / 255.0f - float(settings.mean)) / float(settings.deviation);
}

// Where a pixel of the result comes from: input = linear (output - centre) + offset + centre.
struct Affine {
  double linear[2][2], offset[2];  // (x, y)
  double displacement[2][4][4];    // in pixels, of 4 x 4 points
};
static Affine draw(const Settings& settings, uint32_t image, uint32_t step) {
  double number[2];
  uint32_t place = 0;
  auto next = [&] {  // two numbers in [0, 1)
    Words w = philox(place++, image, step, AUGMENTATION, settings.seed);
    number[0] = unit(w.word[0], w.word[1]), number[1] = unit(w.word[2], w.word[3]);
  };
  auto between = [](double low, double high, double share) { return low + (high - low) * share; };
  next();
  double sine, cosine, scale = between(settings.least_scale, settings.most_scale, number[1]);
  turn(between(-settings.degrees, settings.degrees, number[0]) / 360, sine, cosine);
  next();
  double reach = settings.translate * SIDE;
  double x = round_even(between(-reach, reach, number[0])), y = round_even(between(-reach, reach, number[1]));
  next();
  Affine a;
  a.linear[0][0] = cosine / scale, a.linear[0][1] = between(-settings.shear, settings.shear, number[0]) - sine / scale;
  a.linear[1][0] = sine / scale, a.linear[1][1] = cosine / scale;
  for (int i = 0; i < 2; i++) a.offset[i] = -(a.linear[i][0] * x + a.linear[i][1] * y);
  double* point = &a.displacement[0][0][0];
  for (int i = 0; settings.elastic > 0 && i < 32; i += 2) {  // normal by the transform of Box and Muller
    next();
    double length = settings.elastic * std::sqrt(-2 * log_(1 - number[0]));
    turn(number[1], sine, cosine);
    point[i] = length * cosine, point[i + 1] = length * sine;
  }
  return a;
}

// Nearest pixel of the 8-bit image, bit for bit as PIL: in units of 1/65536 of a pixel.
static void warp_image(const Affine& a, const uint8_t* image, const float* normalized, uint8_t fill, float* to) {
  int32_t step[2][2], start[2];
  for (int i = 0; i < 2; i++) {
    const double *l = a.linear[i], half = SIDE / 2.0;
    double origin = a.offset[i] + half - (l[0] * half + l[1] * half) + (l[0] + l[1]) / 2;
    for (int j = 0; j < 2; j++) step[i][j] = int32_t(std::floor(l[j] * 65536 + 0.5));
    start[i] = int32_t(std::floor(origin * 65536 + 0.5));
  }
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++) {
      int u = (start[0] + x * step[0][0] + y * step[0][1]) >> 16;
      int v = (start[1] + x * step[1][0] + y * step[1][1]) >> 16;
      bool inside = u >= 0 && u < SIDE && v >= 0 && v < SIDE;
      to[y * SIDE + x] = normalized[inside ? image[v * SIDE + u] : fill];
    }
}

static INLINE vf gather(const float* from, vi index) {
#if VL == 16 && defined __AVX512F__
  return (vf)_mm512_i32gather_ps((__m512i)index, from, 4);
#elif VL == 8 && defined __AVX2__
  return (vf)_mm256_i32gather_ps(from, (__m256i)index, 4);
#else
  vf x;
  UNROLL for (int i = 0; i < VL; i++) x[i] = from[index[i]];
  return x;
#endif
}
// Cubic interpolation of 4 points to 28 pixels, [point][pixel] (Keys, 1981, with a = -0.75, as torch has it).
struct Cubic {
  alignas(64) float weight[4][32] = {};
  Cubic() {
    const double a = -0.75;
    for (int x = 0; x < SIDE; x++) {
      double at = (x + 0.5) * 4 / SIDE - 0.5, whole = std::floor(at), t = at - whole;
      for (int k = -1; k < 3; k++) {
        double d = std::fabs(t - k), near = ((a + 2) * d - (a + 3)) * d * d + 1;
        double far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
        int point = std::min(3, std::max(0, int(whole) + k));
        weight[point][x] += float(d <= 1 ? near : far);
      }
    }
  }
};
static const Cubic cubic;

// Nearest or bilinear in the normalized image, less `fill`, with zeros around it; as torch's grid_sample.
static void warp_tensor(const Settings& settings, const Affine& a, const uint8_t* image, const float* normalized,
                        float* to) {
  constexpr int WIDE = 32;  // a row of the image with what lies around it: one pixel before, three behind
  alignas(64) float padded[(SIDE + 3) * WIDE] = {}, row[WIDE], column[WIDE];
  const float fill = float(settings.fill);
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++) padded[(y + 1) * WIDE + x + 1] = normalized[image[y * SIDE + x]] - fill;
  for (int x = 0; x < WIDE; x++) column[x] = float(x);
  for (int y = 0; y < SIDE; y++) {
    float start[2], across[2], point[2][4] = {};
    for (int i = 0; i < 2; i++) {
      const double *l = a.linear[i], half = SIDE / 2.0;
      start[i] = float(l[0] * (0.5 - half) + l[1] * (y + 0.5 - half) + a.offset[i] + half - 0.5);
      across[i] = float(l[0]);
      for (int k = 0; settings.elastic > 0 && k < 4; k++) {
        double sum = 0;
        for (int j = 0; j < 4; j++) sum += cubic.weight[j][y] * a.displacement[i][j][k];
        point[i][k] = float(sum);
      }
    }
    for (int x = 0; x < WIDE; x += VL) {
      vf at[2];
      for (int i = 0; i < 2; i++) {
        at[i] = fma(load(column + x), splat(across[i]), splat(start[i]));
        for (int k = 0; settings.elastic > 0 && k < 4; k++)
          at[i] = fma(load(cubic.weight[k] + x), splat(point[i][k]), at[i]);
        at[i] = at[i] > float(SIDE) ? splat(SIDE) : at[i];  // beyond there is nothing
        at[i] = at[i] >= -1.0f ? at[i] : splat(-1);         // nor where an infinite displacement leads
        if (settings.augmentation == NEAREST) at[i] = (at[i] + 12582912.0f) - 12582912.0f;
      }
      vf u = floor(at[0]), v = floor(at[1]), du = at[0] - u, dv = at[1] - v;
      vi index = __builtin_convertvector(fma(v, splat(WIDE), u), vi) + (WIDE + 1);
      vf left = gather(padded, index), right = gather(padded, index + 1);
      vf below_left = gather(padded, index + WIDE), below_right = gather(padded, index + WIDE + 1);
      vf above = fma(du, right - left, left), below = fma(du, below_right - below_left, below_left);
      store(row + x, fma(dv, below - above, above) + fill);
    }
    memcpy(to + y * SIDE, row, SIDE * sizeof(float));
  }
}

// n <= 16 images of a batch, the first of which has the number `image` in it, as a block.
static void prepare(const Settings& settings, const float* normalized, const uint8_t* images, const int64_t* index,
                    int n, uint32_t image, uint32_t step, float* block) {
  float flat[B][PIXELS];
  for (int l = 0; l < n; l++) {
    const uint8_t* from = images + (index ? index[l] : l) * PIXELS;
    if (settings.augmentation == NONE) {
      for (int p = 0; p < PIXELS; p++) flat[l][p] = normalized[from[p]];
      continue;
    }
    Affine affine = draw(settings, image + l, step);
    if (settings.augmentation == IMAGE) warp_image(affine, from, normalized, uint8_t(settings.fill), flat[l]);
    else warp_tensor(settings, affine, from, normalized, flat[l]);
  }
  if (n < B) memset(flat[n], 0, sizeof flat[0] * (B - n));
  for (int p = 0; p < PIXELS; p++)
    for (int l = 0; l < B; l++) block[p * B + l] = flat[l][p];
}

// -------------------------------------------------------------------------------------------------------------- units

struct Unit {  // as plan.py fills it in
  int64_t weight, bias, gamma, beta;  // where they are among the parameters; -1 for none
  int64_t mean, variance;             // where they are among the buffers
  double eps, momentum, dropout;
  int32_t kind, in, out, groups, kernel, stride, padding, side_in, side;  // channels are those of one group
  int32_t relu_before, normalized, relu_after;
  int32_t window, step, side_out;  // of the max-pool; a window of 0 for none
};
enum Kind { CONVOLUTION, COPY, AVERAGE };

struct Arrays {  // of a network; Python owns them
  float *parameters, *momentum, *average, *buffers, *average_buffers;
  int64_t parameters_n, buffers_n;
};

struct Scratch { Buffer input, full, raw[2], back, pooled, sums; };  // of one thread

struct Layer {
  Unit u;
  Shape forward, backward;
  Grid input, maps, back, pooled;  // of the unit's input, its raw maps, their gradient, and what leaves the max-pool
  Buffer raw, gradient, packed, turned, lanes;
  std::vector<uint16_t> keep;  // [block][channel][row][column], a bit per image
  std::vector<float> scale, shift, ca, cb, cc;
  std::vector<double> mean, inverse, of_blocks, bias_of_blocks;
  long weights = 0;
  float dropped = 1;  // the factor on what dropout keeps

  Layer(const Unit& unit, int blocks) : u(unit) {
    const int in = u.in * u.groups, out = u.out * u.groups, side_back = (u.side - 1) * u.stride + 1;
    forward = {u.in, u.out, u.groups, u.kernel, u.stride, u.padding, u.side_in, u.side};
    backward = {u.out, u.in, u.groups, u.kernel, 1, u.kernel - 1 - u.padding, side_back, u.side_in};
    input = Grid(in, u.side_in, u.padding);
    maps = Grid(out, u.side);
    // The last rows and columns of the input may be beyond the last stride: they too must meet zeros.
    int beyond = u.kind == CONVOLUTION ? u.side_in + 2 * u.padding - u.kernel - (side_back - 1) : 0;
    back = Grid(out, side_back, u.kind == CONVOLUTION ? backward.padding + beyond : 0);
    pooled = Grid(out, u.side_out);
    raw.allocate(blocks * maps.size), gradient.allocate(blocks * maps.size);
    scale.assign(out, 1), shift.assign(out, 0), ca.assign(out, 1), cb.assign(out, 0), cc.assign(out, 0);
    mean.assign(out, 0), inverse.assign(out, 1);
    of_blocks.resize(size_t(blocks) * out * 2), bias_of_blocks.resize(size_t(blocks) * out * 2);
    if (u.dropout > 0) keep.resize(size_t(blocks) * cells()), dropped = float(1 / (1 - u.dropout));
    if (u.kind == CONVOLUTION) weights = forward.weights();
    if (u.kind == AVERAGE && u.weight >= 0) weights = long(u.side_in) * u.side_in;
    packed.allocate(weights), turned.allocate(weights);
    if (!wide()) lanes.allocate(std::min(blocks, CHUNKS) * weights * B);
  }
  // Whether the gradient of its weights waits for all blocks of a batch.
  bool wide() const { return u.kind == CONVOLUTION && weights > MANY_WEIGHTS; }
  int channels() const { return maps.channels; }
  long cells() const { return (long(channels()) * u.side * u.side + 3) / 4 * 4; }
  float* raw_of(int block) const { return raw + block * maps.size; }
  float* gradient_of(int block) const { return gradient + block * maps.size; }
  const uint16_t* bits_of(int block) const { return keep.empty() ? nullptr : keep.data() + block * cells(); }
  bool plain() const { return !u.normalized && !u.relu_after && u.dropout == 0 && !u.window; }

  // The coefficients of batch normalization, z = scale * raw + shift, from statistics of a batch or the running ones.
  void normalize(const float* parameters, float factor) {
    for (int c = 0; u.normalized && c < channels(); c++) {
      double a = inverse[c] * (u.gamma < 0 ? 1 : parameters[u.gamma + c]);
      double b = (u.beta < 0 ? 0 : parameters[u.beta + c]) - mean[c] * a;
      scale[c] = float(a) * factor, shift[c] = float(b) * factor;
    }
    if (!u.normalized) std::fill(scale.begin(), scale.end(), factor);
  }

  // The unit's convolution of a block; after_row as in `convolution`.
  void apply(const float* parameters, const float* in, float* out, const AfterRow& after_row) const {
    if (u.kind == CONVOLUTION) {
      convolution(forward, input, in, packed, u.bias < 0 ? nullptr : parameters + u.bias, maps, out, after_row);
      return;
    }
    for (int c = 0; c < channels(); c++)
      if (u.kind == COPY)
        for (int y = 0; y < u.side; y++) {
          memcpy(out + maps.at(c, y), in + input.at(c, y), maps.row * sizeof(float));
          after_row(c, c + 1, y);
        }
      else {
        for (int part = 0; part < B; part += VL) {
          vf sum{};
          for (int p = 0; p < u.side_in * u.side_in; p++) {
            vf x = load(in + input.at(c, 0) + p * B + part);
            sum = u.weight < 0 ? sum + x : fma(splat(parameters[u.weight + p]), x, sum);
          }
          store(out + maps.at(c, 0) + part, sum * float(1.0 / (u.side_in * u.side_in)));
        }
        after_row(c, c + 1, 0);
      }
  }

  // A row of raw maps, in place: the ReLU before normalization, and the sums for the statistics.
  void finish_row(float* out, int c, int y, Sums* sums) const {
    vf sum[PARTS] = {}, squares[PARTS] = {};
    float* p = out + maps.at(c, y);
    for (int t = 0; t < u.side; t++)
      for (int h = 0; h < PARTS; h++, p += VL) {
        vf x = load(p);
        if (u.relu_before) store(p, x = relu(x));
        if (sums) sum[h] += x, squares[h] = fma(x, x, squares[h]);
      }
    if (sums) sums->add(c, 0, sum), sums->add(c, 1, squares);
  }

  INLINE vf activate(int c, vf x) const {
    vf z = fma(splat(scale[c]), x, splat(shift[c]));
    return u.relu_after ? relu(z) : z;
  }
  // What follows the convolution, for a block: into the grid that the next unit reads. What enters the max-pool is
  // left in `full`.
  void build(const float* x, const uint16_t* bits, float* full, const Grid& grid, float* to) const {
    const bool pooling = u.window > 0;
    const Grid& first = pooling ? maps : grid;
    float* z = pooling ? full : to;
    for (int c = 0; c < channels(); c++) {
      for (int y = 0; y < u.side; y++) {
        const float* p = x + maps.at(c, y);
        float* q = z + first.at(c, y);
        const uint16_t* b = bits ? bits + (long(c) * u.side + y) * u.side : nullptr;
        if (b)
          for (int t = 0; t < u.side; t++, p += B, q += B)
            for (int h = 0; h < B; h += VL) store(q + h, where(b[t] >> h, activate(c, load(p + h))));
        else
          for (int t = 0; t < u.side * B; t += VL) store(q + t, activate(c, load(p + t)));
      }
      if (pooling) pool_channel(full + maps.at(c, 0), to + grid.at(c, 0), grid);
      clear_gaps(to, c, grid);
    }
  }
  static void clear_gaps(float* to, int c, const Grid& grid) {
    const size_t bytes = size_t(grid.gap) * B * sizeof(float);
    if (bytes)
      for (int y = 0; y <= grid.side; y++) memset(to + grid.at(c, y) - grid.gap * B, 0, bytes);
  }
  void pool_channel(const float* from, float* to, const Grid& grid) const {
    for (int y = 0; y < u.side_out; y++)
      for (int x = 0; x < u.side_out; x++)
        for (int h = 0; h < B; h += VL) {
          const float* corner = from + (long(y) * u.step * u.side + x * u.step) * B + h;
          vf most = load(corner);
          for (int i = 0; i < u.window; i++)
            for (int j = 0; j < u.window; j++) {
              vf other = load(corner + (i * u.side + j) * B);
              most = other > most ? other : most;
            }
          store(to + y * grid.row + x * B + h, most);
        }
  }
  // The gradient of what entered the max-pool: that of its result goes to the first of the largest in each window.
  void unpool(const float* full, const float* from, float* to) const {
    for (int c = 0; c < channels(); c++) {
      memset(to + maps.at(c, 0), 0, size_t(u.side) * maps.row * sizeof(float));
      for (int y = 0; y < u.side_out; y++)
        for (int x = 0; x < u.side_out; x++)
          for (int h = 0; h < B; h += VL) {
            const long corner = maps.at(c, y * u.step) + long(x) * u.step * B + h;
            vf most = load(full + corner), left = load(from + pooled.at(c, y) + x * B + h);
            for (int i = 0; i < u.window; i++)
              for (int j = 0; j < u.window; j++) {
                vf other = load(full + corner + (i * u.side + j) * B);
                most = other > most ? other : most;
              }
            for (int i = 0; i < u.window; i++)
              for (int j = 0; j < u.window; j++) {
                const long at = corner + (i * u.side + j) * B;
                auto here = load(full + at) == most;
                store(to + at, load(to + at) + (here ? left : vf{}));
                left = here ? vf{} : left;
              }
          }
    }
  }
  // A row of the gradient of z, in place: through dropout and ReLU, with the sums that normalization needs.
  void through_row(float* gradient, const float* x, const uint16_t* bits, int c, int y, Sums& sums) const {
    vf sum[PARTS] = {}, dot[PARTS] = {};
    const long at = maps.at(c, y);
    float* g = gradient + at;
    const float* p = x + at;
    const uint16_t* b = bits ? bits + (long(c) * u.side + y) * u.side : nullptr;
    for (int t = 0; t < u.side; t++)
      for (int h = 0; h < PARTS; h++, g += VL, p += VL) {
        vf v = load(g), r = load(p);
        if (b) v = where(b[t] >> (h * VL), v * dropped);
        if (u.relu_after) v = fma(splat(scale[c]), r, splat(shift[c])) > 0 ? v : vf{};
        store(g, v);
        sum[h] += v, dot[h] = fma(v, r, dot[h]);
      }
    if (u.normalized) sums.add(c, 0, sum), sums.add(c, 1, dot);
  }
  // The gradient of the convolution's result from that of z, for the first `images` of a block; into the grid `back`.
  void before_normalization(const float* gradient, const float* x, int images, float* to, Sums& bias) const {
    if (u.stride > 1) memset(to, 0, back.size * sizeof(float));
    const uint32_t valid = (1u << images) - 1;
    for (int c = 0; c < channels(); c++) {
      for (int y = 0; y < u.side; y++) {
        const float *g = gradient + maps.at(c, y), *p = x + maps.at(c, y);
        float* q = to + back.at(c, y * u.stride);
        vf sum[PARTS] = {}, none[PARTS] = {};
        for (int t = 0; t < u.side; t++, q += (u.stride - 1) * B)
          for (int h = 0; h < PARTS; h++, g += VL, p += VL, q += VL) {
            vf v = load(g);
            if (u.normalized) v = fma(splat(ca[c]), v, fma(splat(cb[c]), load(p), splat(cc[c])));
            if (u.relu_before) v = load(p) > 0 ? v : vf{};
            if (images < B) v = where(valid >> (h * VL), v);
            if (u.bias >= 0) sum[h] += v;
            store(q, v);
          }
        if (u.bias >= 0) bias.add(c, 0, sum), bias.add(c, 1, none);
      }
      clear_gaps(to, c, back);
    }
  }
  // Adds to the lanes of a chunk what a block gives to the gradient of the weights.
  void add_weight_gradient(const float* in, const float* from, float* lane) const {
    if (u.kind == CONVOLUTION) weight_gradient(forward, input, in, back, from, lane);
    if (u.kind != AVERAGE) return;
    const float share = float(1.0 / (u.side_in * u.side_in));
    for (long p = 0; p < weights; p++)
      for (int h = 0; h < B; h += VL) {
        vf sum{};
        for (int c = 0; c < channels(); c++)
          sum = fma(load(from + back.at(c, 0) + h) * share, load(in + input.at(c, 0) + p * B + h), sum);
        store(lane + p * B + h, load(lane + p * B + h) + sum);
      }
  }
  // The gradient of a block's input, into the grid `to`.
  void input_gradient(const float* parameters, const float* from, const Grid& to, float* out,
                      const AfterRow& after_row) const {
    if (u.kind == CONVOLUTION) {
      convolution(backward, back, from, turned, nullptr, to, out, after_row);
      return;
    }
    const float share = float(1.0 / (u.side_in * u.side_in));
    for (int c = 0; c < channels(); c++)
      for (int y = 0; y < u.side_in; y++) {
        if (u.kind == COPY) memcpy(out + to.at(c, y), from + back.at(c, y), to.row * sizeof(float));
        else
          for (int t = 0; t < u.side_in * B; t += VL) {
            vf v = load(from + back.at(c, 0) + t % B) * share;
            store(out + to.at(c, y) + t, u.weight < 0 ? v : v * parameters[u.weight + y * u.side_in + t / B]);
          }
        after_row(c, c + 1, y);
      }
  }
  // A bit for each number of a block that dropout keeps.
  void draw_dropout(uint64_t seed, uint32_t step, int number, int block) {
    const uint32_t least = uint32_t(round_even(u.dropout * 4294967296.0)), purpose = DROPOUT + uint32_t(number);
    uint16_t* bits = keep.data() + block * cells();
    vu lane;
    for (int i = 0; i < VL; i++) lane[i] = uint32_t(i);
    for (long cell = 0; cell < cells(); cell += 4) {
      uint32_t kept[4] = {};
      for (int h = 0; h < B; h += VL) {
        vu c[4] = {uint32_t(cell / 4) - vu{}, lane + uint32_t(block * B + h), step - vu{}, purpose - vu{}};
        philox(c[0], c[1], c[2], c[3], seed);
        for (int k = 0; k < 4; k++) kept[k] |= at_least(c[k], least) << h;
      }
      for (int k = 0; k < 4; k++) bits[cell + k] = uint16_t(kept[k]);
    }
  }
};

// --------------------------------------------------------------------------------------------------------------- loss

static void log_softmax(const float* logits, double temperature, double* to) {
  double most = logits[0], sum = 0;
  for (int k = 1; k < CLASSES; k++) most = logits[k] > most ? logits[k] : most;
  for (int k = 0; k < CLASSES; k++) to[k] = (logits[k] - most) / temperature, sum += exp_(to[k]);
  for (int k = 0; k < CLASSES; k++) to[k] -= log_(sum);
}
// Of one image, by its logits: (1 - share) NLL + share T^2 KL(teacher || student), and its derivatives by the logits.
static double loss_of(const Settings& settings, const float* logits, const float* target, int label, double* slope,
                      int64_t& predicted) {
  double own[CLASSES];
  log_softmax(logits, 1, own);
  predicted = 0;
  for (int k = 1; k < CLASSES; k++) predicted = logits[k] > logits[predicted] ? k : predicted;
  const double share = target ? settings.share : 0, t = settings.temperature;
  double loss = -(1 - share) * own[label];
  for (int k = 0; k < CLASSES; k++) slope[k] = (1 - share) * (exp_(own[k]) - (k == label));
  if (!target) return loss;
  double cool[CLASSES], taught[CLASSES], divergence = 0;
  log_softmax(logits, t, cool), log_softmax(target, t, taught);
  for (int k = 0; k < CLASSES; k++) {
    double p = exp_(taught[k]);
    divergence += p * (taught[k] - cool[k]);
    slope[k] += share * t * (exp_(cool[k]) - p);
  }
  return loss + share * t * t * divergence;
}

// ------------------------------------------------------------------------------------------------------------ network

static int blocks_of(int64_t images) { return int((images + B - 1) / B); }
static int images_in(int64_t images, int block) { return int(std::min<int64_t>(B, images - int64_t(block) * B)); }

class Network {
 public:
  Network(const Unit* units, int n, int64_t batch, const Arrays& arrays) : arrays(arrays) {
    for (int i = 0; i < n; i++) layers.emplace_back(units[i], blocks_of(batch));
    gradients.allocate(arrays.parameters_n);
    long input = 0, back = 0;
    for (const Layer& l : layers)
      if (l.wide()) input = std::max(input, l.input.size), back = std::max(back, l.back.size);
    wide_input.allocate(blocks_of(batch) * input), wide_back.allocate(blocks_of(batch) * back);
    wide_inputs.resize(blocks_of(batch));
    images.allocate(long(blocks_of(batch)) * PIXELS * B), wanted.resize(size_t(batch) * CLASSES);
  }

  // One step of gradient descent on images that are prepared; returns the mean loss and adds the correct predictions.
  double train(const Settings& settings, const int64_t* labels, const float* targets, int n, uint32_t step, float rate,
               int64_t& hits) {
    prepare_threads();
    pack_weights(arrays.parameters, true);
    forward(settings, n, step);
    double loss = descend(settings, labels, targets, n, hits);
    for (size_t l = layers.size(); l-- > 0;) backward(l, n);
    update(settings, rate, step);
    return loss;
  }
  // Whether all weights are, by their bits. ReLU and max-pool may hide what is not a number.
  bool finite() const {
    uint32_t largest = 0;
    for (int64_t i = 0; i < arrays.parameters_n; i++) {
      uint32_t bits;
      memcpy(&bits, arrays.parameters + i, sizeof bits);
      largest = std::max(largest, bits & 0x7fffffffu);
    }
    return largest < 0x7f800000u;
  }
  // Predictions without dropout and with running statistics, of a block; call `predicting` before.
  void predict(int thread, const float* block, float* logits, int n) {
    Scratch& s = scratch[thread];
    const float* in = block;
    for (size_t l = 0; l < layers.size(); l++) {
      const Layer& layer = layers[l];
      const float* z =
          l ? input_from(layers[l - 1], in, nullptr, s.full, layer, s.input) : first_input(layer, in, s.input);
      float* out = s.raw[l % 2];  // the other one may be the input
      layer.apply(predicted, z, out, [&](int c0, int c1, int y) {
        for (int c = c0; layer.u.relu_before && c < c1; c++) layer.finish_row(out, c, y, nullptr);
      });
      in = out;
    }
    const Layer& last = layers.back();
    const float* z = last.plain() ? in : (last.build(in, nullptr, s.full, last.pooled, s.input), s.input);
    for (int l = 0; l < n; l++)
      for (int k = 0; k < CLASSES; k++) logits[l * CLASSES + k] = z[last.pooled.at(k, 0) + l];
  }
  void predicting(const float* parameters, const float* buffers) {
    prepare_threads();
    predicted = parameters;
    pack_weights(parameters, false);
    for (Layer& layer : layers) {
      const Unit& u = layer.u;
      for (int c = 0; u.normalized && c < layer.channels(); c++)
        layer.mean[c] = buffers[u.mean + c], layer.inverse[c] = 1 / std::sqrt(buffers[u.variance + c] + u.eps);
      layer.normalize(parameters, 1);
    }
  }

  Arrays arrays;
  Buffer images;              // of the batch, in blocks
  std::vector<float> wanted;  // logits of the teacher, [image][class]

 private:
  std::vector<Layer> layers;
  std::vector<Scratch> scratch;  // of each thread
  const float* predicted = nullptr;
  Buffer gradients;
  Buffer wide_input, wide_back;           // of all blocks, for the wide unit that descends
  std::vector<const float*> wide_inputs;  // in wide_input, or where they lie already

  void prepare_threads() {
    while (scratch.size() < size_t(pool->threads)) {
      long input = 0, full = 0, back = 0, pooled = 0, kernel = 0;
      for (const Layer& l : layers)
        input = std::max({input, l.input.size, l.pooled.size}), full = std::max(full, l.maps.size),
        back = std::max(back, l.back.size), pooled = std::max(pooled, l.pooled.size),
        kernel = std::max(kernel, l.wide() ? long(l.u.kernel) : 0);
      Scratch s;  // which is one of them once it has all its memory
      s.input.allocate(input), s.full.allocate(full), s.back.allocate(back), s.pooled.allocate(pooled);
      s.sums.allocate(kernel * 2 * 4 * TILE * B);
      s.raw[0].allocate(full), s.raw[1].allocate(full);
      scratch.push_back(std::move(s));
    }
  }
  void pack_weights(const float* parameters, bool turned) {
    for (Layer& l : layers)
      if (l.u.kind == CONVOLUTION) {
        pack(l.forward, parameters + l.u.weight, l.packed);
        if (turned) pack_turned(l.forward, parameters + l.u.weight, l.turned);
      }
  }
  // The input of a unit: where it lies already, or built in `to`.
  static const float* first_input(const Layer& layer, const float* block, float* to) {
    if (layer.input.gap == 0) return block;
    const size_t bytes = SIDE * B * sizeof(float);
    for (int y = 0; y < SIDE; y++) memcpy(to + layer.input.at(0, y), block + y * SIDE * B, bytes);
    Layer::clear_gaps(to, 0, layer.input);
    return to;
  }
  static const float* input_from(const Layer& before, const float* raw, const uint16_t* bits, float* full,
                                 const Layer& layer, float* to) {
    if (before.plain() && layer.input.gap == 0) return raw;
    before.build(raw, bits, full, layer.input, to);
    return to;
  }
  const float* input_of(size_t l, int block, float* full, float* to) const {
    if (l == 0) return first_input(layers[0], images + long(block) * PIXELS * B, to);
    const Layer& before = layers[l - 1];
    return input_from(before, before.raw_of(block), before.bits_of(block), full, layers[l], to);
  }

  void forward(const Settings& settings, int n, uint32_t step) {
    for (size_t l = 0; l < layers.size(); l++) {
      Layer& layer = layers[l];
      const Unit& u = layer.u;
      const int blocks = blocks_of(n), channels = layer.channels();
      pool->run(blocks, [&](int thread, int i) {
        Sums sums;
        if (u.normalized) sums.start(channels);
        float* out = layer.raw_of(i);
        Scratch& s = scratch[thread];
        layer.apply(arrays.parameters, input_of(l, i, s.full, s.input), out, [&](int c0, int c1, int y) {
          if (u.normalized || u.relu_before)
            for (int c = c0; c < c1; c++) layer.finish_row(out, c, y, u.normalized ? &sums : nullptr);
        });
        if (u.normalized) sums.total(images_in(n, i), &layer.of_blocks[size_t(i) * channels * 2]);
        if (u.dropout > 0) layer.draw_dropout(settings.seed, step, int(l), i);
      });
      if (u.normalized) statistics(layer, n);
      layer.normalize(arrays.parameters, layer.dropped);
    }
  }
  // Sums of blocks, [block][n], in order.
  static double in_order(const std::vector<double>& of_blocks, int blocks, size_t n, size_t which) {
    double sum = 0;
    for (int i = 0; i < blocks; i++) sum += of_blocks[i * n + which];
    return sum;
  }
  void statistics(Layer& layer, int n) {
    const Unit& u = layer.u;
    const size_t sums = size_t(layer.channels()) * 2;
    const double count = double(n) * u.side * u.side;
    for (int c = 0; c < layer.channels(); c++) {
      double mean = in_order(layer.of_blocks, blocks_of(n), sums, 2 * c) / count;
      double variance = in_order(layer.of_blocks, blocks_of(n), sums, 2 * c + 1) / count - mean * mean;
      variance = variance > 0 ? variance : variance == variance ? 0 : variance;
      layer.mean[c] = mean, layer.inverse[c] = 1 / std::sqrt(variance + u.eps);
      auto follow = [&](float& running, double value) { running = float(running + u.momentum * (value - running)); };
      follow(arrays.buffers[u.mean + c], mean), follow(arrays.buffers[u.variance + c], variance * count / (count - 1));
    }
  }

  // The loss, and its gradient down to the last unit's z.
  double descend(const Settings& settings, const int64_t* labels, const float* targets, int n, int64_t& hits) {
    Layer& last = layers.back();
    const int blocks = blocks_of(n);
    std::vector<double> losses(blocks);
    std::vector<int> correct(blocks);
    pool->run(blocks, [&](int thread, int i) {
      Scratch& s = scratch[thread];
      const float* raw = last.raw_of(i);
      const uint16_t* bits = last.bits_of(i);
      const float* z = last.plain() ? raw : (last.build(raw, bits, s.full, last.pooled, s.input), s.input);
      float* gradient = last.u.window ? s.pooled : last.gradient_of(i);
      for (int k = 0; k < CLASSES; k++) memset(gradient + last.pooled.at(k, 0), 0, B * sizeof(float));
      for (int l = 0; l < images_in(n, i); l++) {
        const int image = i * B + l;
        float logits[CLASSES];
        double slope[CLASSES];
        for (int k = 0; k < CLASSES; k++) logits[k] = z[last.pooled.at(k, 0) + l];
        int64_t predicted;
        const float* target = targets ? targets + long(image) * CLASSES : nullptr;
        losses[i] += loss_of(settings, logits, target, int(labels[image]), slope, predicted);
        correct[i] += predicted == labels[image];
        for (int k = 0; k < CLASSES; k++) gradient[last.pooled.at(k, 0) + l] = float(slope[k] / n);
      }
      pass(last, i, n, s);
    });
    double loss = 0;
    for (int i = 0; i < blocks; i++) loss += losses[i], hits += correct[i];
    return loss / n;
  }
  // The gradient of a unit's z, which lies in `gradient` or, after a max-pool, in scratch: down to its normalization.
  void pass(Layer& layer, int i, int n, Scratch& s) {
    Sums sums;
    if (layer.u.normalized) sums.start(layer.channels());
    float* gradient = layer.gradient_of(i);
    if (layer.u.window) layer.unpool(s.full, s.pooled, gradient);
    for (int c = 0; c < layer.channels(); c++)
      for (int y = 0; y < layer.u.side; y++) pass_row(layer, i, c, y, sums);
    finish(layer, i, n, sums);
  }
  void pass_row(Layer& layer, int i, int c, int y, Sums& sums) {
    if (layer.u.normalized || layer.u.relu_after || layer.u.dropout > 0)
      layer.through_row(layer.gradient_of(i), layer.raw_of(i), layer.bits_of(i), c, y, sums);
  }
  void finish(Layer& layer, int i, int n, const Sums& sums) {
    if (layer.u.normalized) sums.total(images_in(n, i), &layer.of_blocks[size_t(i) * layer.channels() * 2]);
  }

  // From the gradient of a unit's z to those of its parameters and of the z before it.
  void backward(size_t l, int n) {
    Layer& layer = layers[l];
    const Unit& u = layer.u;
    const int blocks = blocks_of(n), chunks = std::min(blocks, CHUNKS), channels = layer.channels();
    if (u.normalized) coefficients(layer, n);
    if (!layer.wide()) memset(layer.lanes, 0, size_t(chunks) * layer.weights * B * sizeof(float));
    pool->run(chunks, [&](int thread, int chunk) {
      Scratch& s = scratch[thread];
      for (int i = first_of_chunk(chunk, blocks); i < first_of_chunk(chunk + 1, blocks); i++) {
        float* back = layer.wide() ? wide_back + i * layer.back.size : s.back;
        Sums bias;
        if (u.bias >= 0) bias.start(channels);
        layer.before_normalization(layer.gradient_of(i), layer.raw_of(i), images_in(n, i), back, bias);
        if (u.bias >= 0) bias.total(B, &layer.bias_of_blocks[size_t(i) * channels * 2]);
        if (layer.wide()) wide_inputs[i] = input_of(l, i, s.full, wide_input + i * layer.input.size);
        else if (layer.weights || l > 0)
          layer.add_weight_gradient(input_of(l, i, s.full, s.input), back, layer.lanes + chunk * layer.weights * B);
        if (l > 0) descend_to(layers[l - 1], layer, back, i, n, s);
      }
    });
    if (layer.wide()) wide_gradient(layer, blocks);
    else reduce(layer, chunks);
    if (u.bias >= 0)
      for (int c = 0; c < channels; c++)
        gradients[u.bias + c] = float(in_order(layer.bias_of_blocks, blocks, size_t(channels) * 2, 2 * c));
  }
  void descend_to(Layer& before, const Layer& layer, const float* back, int i, int n, Scratch& s) {
    if (before.u.window) {
      layer.input_gradient(arrays.parameters, back, before.pooled, s.pooled, [](int, int, int) {});
      pass(before, i, n, s);
      return;
    }
    Sums sums;
    if (before.u.normalized) sums.start(before.channels());
    auto pass_rows = [&](int c0, int c1, int y) {
      for (int c = c0; c < c1; c++) pass_row(before, i, c, y, sums);
    };
    layer.input_gradient(arrays.parameters, back, before.maps, before.gradient_of(i), pass_rows);
    finish(before, i, n, sums);
  }
  void coefficients(Layer& layer, int n) {
    const Unit& u = layer.u;
    const size_t sums = size_t(layer.channels()) * 2;
    const double count = double(n) * u.side * u.side;
    for (int c = 0; c < layer.channels(); c++) {
      double sum = in_order(layer.of_blocks, blocks_of(n), sums, 2 * c);
      double raw = in_order(layer.of_blocks, blocks_of(n), sums, 2 * c + 1);
      double dot = (raw - layer.mean[c] * sum) * layer.inverse[c];
      double a = layer.inverse[c] * (u.gamma < 0 ? 1 : arrays.parameters[u.gamma + c]);
      double b = -a * layer.inverse[c] * dot / count;
      if (u.beta >= 0) gradients[u.beta + c] = float(sum);
      if (u.gamma >= 0) gradients[u.gamma + c] = float(dot);
      layer.ca[c] = float(a), layer.cb[c] = float(b), layer.cc[c] = float(-a * sum / count - b * layer.mean[c]);
    }
  }
  // Chunks in their order, then lanes.
  void reduce(Layer& layer, int chunks) {
    for (long i = 0; i < layer.weights; i++) {
      float sum[B] = {};
      for (int c = 0; c < chunks; c++)
        for (int l = 0; l < B; l++) sum[l] += layer.lanes[(c * layer.weights + i) * B + l];
      gradients[layer.u.weight + i] = sum_of_lanes(sum);
    }
  }
  void wide_gradient(const Layer& layer, int blocks) {
    const Shape& s = layer.forward;
    const int parts = (s.out + 3) / 4;  // of a group
    pool->run(s.groups * parts, [&](int thread, int i) {
      const int c = i % parts * 4, channel = i / parts * s.out + c, n = std::min(4, s.out - c);
      weight_gradient_of_batch(s, layer.input, wide_inputs, layer.back, wide_back, blocks, channel, n,
                               scratch[thread].sums, gradients + layer.u.weight);
    });
  }

  void update(const Settings& settings, float rate, uint32_t step) {
    const float momentum = float(settings.momentum), decay = float(settings.weight_decay);
    const float rest = float(1 - settings.average);
    float *w = arrays.parameters, *v = arrays.momentum;
    for (int64_t i = 0; i < arrays.parameters_n; i++) {
      float d = decay == 0 ? gradients[i] : __builtin_fmaf(decay, w[i], gradients[i]);
      v[i] = __builtin_fmaf(momentum, v[i], d);
      w[i] = __builtin_fmaf(-rate, settings.nesterov ? __builtin_fmaf(momentum, v[i], d) : v[i], w[i]);
    }
    if (!arrays.average) return;
    auto follow = [&](float* average, const float* now, int64_t n) {
      for (int64_t i = 0; i < n; i++)
        average[i] = step == 0 ? now[i] : __builtin_fmaf(rest, now[i] - average[i], average[i]);
    };
    follow(arrays.average, w, arrays.parameters_n), follow(arrays.average_buffers, arrays.buffers, arrays.buffers_n);
  }
};

// --------------------------------------------------------------------------------------------------- what Python calls

extern "C" {

// Also after a fork, which leaves the threads of all pools behind.
static void wake_pool(int threads) {
  static std::map<std::pair<pid_t, int>, Pool*> pools;
  if (pool->wanted == threads && pool->process == getpid()) return;
  Pool*& known = pools[{getpid(), threads}];
  if (!known) known = new Pool(threads);
  pool = known;
}
void use_threads(int n) {
  std::lock_guard<std::mutex> lock(one_caller);
  wake_pool(n);
}

Network* network_new(const Unit* units, int n, int64_t batch, const Arrays* arrays) {
  try {
    return new Network(units, n, batch, *arrays);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
void network_delete(Network* network) { delete network; }

// Trains on `count` images in the given order, a batch after the other; `first` is the number of the first step. Stops
// after a loss that is not finite, as is that of weights that are not. Returns the number of steps before it, -1 where
// memory is lacking, and adds up losses and correct predictions.
int64_t train(Network* network, Network* teacher, const Settings* settings, const uint8_t* images,
              const int64_t* labels, const int64_t* order, int64_t count, int64_t batch, const float* rates,
              int64_t first, double* loss, int64_t* hits) try {
  std::lock_guard<std::mutex> lock(one_caller);
  wake_pool(pool->wanted);
  FloatEnvironment environment;
  float normalized[256];
  grey_levels(*settings, normalized);
  std::vector<int64_t> of_batch(std::min(batch, count));
  if (teacher) teacher->predicting(teacher->arrays.parameters, teacher->arrays.buffers);
  int64_t steps = 0;
  for (int64_t at = 0; at < count; at += batch, steps++) {
    const int n = int(std::min(batch, count - at));
    const uint32_t step = uint32_t(first + steps);
    pool->run(blocks_of(n), [&](int thread, int i) {
      float* block = network->images + long(i) * PIXELS * B;
      prepare(*settings, normalized, images, order + at + long(i) * B, images_in(n, i), uint32_t(i * B), step, block);
      if (teacher) teacher->predict(thread, block, &network->wanted[size_t(i) * B * CLASSES], images_in(n, i));
    });
    for (int i = 0; i < n; i++) of_batch[i] = labels[order[at + i]];
    const float* targets = teacher ? network->wanted.data() : nullptr;
    double mean = NAN;
    if (network->finite()) mean = network->train(*settings, of_batch.data(), targets, n, step, rates[steps], *hits);
    *loss += mean;
    if (!std::isfinite(mean)) break;
  }
  return steps;
} catch (const std::bad_alloc&) {
  return -1;
}

// Logits (n, 10) of images (n, 28, 28), which are normalized only: by the parameters, or by their average. False where
// memory is lacking.
bool predict(Network* network, int average, const Settings* settings, const uint8_t* images, int64_t n,
             float* logits) try {
  std::lock_guard<std::mutex> lock(one_caller);
  wake_pool(pool->wanted);
  FloatEnvironment environment;
  float normalized[256];
  Settings plain = *settings;
  plain.augmentation = NONE;
  grey_levels(plain, normalized);
  const Arrays& arrays = network->arrays;
  network->predicting(average ? arrays.average : arrays.parameters, average ? arrays.average_buffers : arrays.buffers);
  pool->run(blocks_of(n), [&](int thread, int i) {
    alignas(64) float block[PIXELS * B];
    prepare(plain, normalized, images + int64_t(i) * B * PIXELS, nullptr, images_in(n, i), 0, 0, block);
    network->predict(thread, block, logits + int64_t(i) * B * CLASSES, images_in(n, i));
  });
  return true;
} catch (const std::bad_alloc&) {
  return false;
}

// The mean negative log-likelihood of labels by logits (n, 10), and which class each image is taken for.
double judge(const float* logits, const int64_t* labels, int64_t n, int64_t* predicted) {
  FloatEnvironment environment;
  Settings plain{};
  plain.temperature = 1;
  double loss = 0, slope[CLASSES];
  for (int64_t i = 0; i < n; i++)
    loss += loss_of(plain, logits + i * CLASSES, nullptr, int(labels[i]), slope, predicted[i]);
  return loss / n;
}

// The images (n, 28, 28) of a batch, augmented and normalized.
void augment(const Settings* settings, const uint8_t* images, int64_t n, int64_t step, float* to) {
  FloatEnvironment environment;
  float normalized[256];
  grey_levels(*settings, normalized);
  for (int i = 0; i < blocks_of(n); i++) {
    alignas(64) float block[PIXELS * B];
    prepare(*settings, normalized, images + int64_t(i) * B * PIXELS, nullptr, images_in(n, i), uint32_t(i * B),
            uint32_t(step), block);
    for (int l = 0; l < images_in(n, i); l++)
      for (int p = 0; p < PIXELS; p++) to[(int64_t(i) * B + l) * PIXELS + p] = block[p * B + l];
  }
}

void words(const uint32_t* counter, uint64_t seed, uint32_t* to) {
  Words w = philox(counter[0], counter[1], counter[2], counter[3], seed);
  memcpy(to, w.word, sizeof w.word);
}
double exponential(double x) { return exp_(x); }
double logarithm(double x) { return log_(x); }
void sine_cosine(double turns, double* sine, double* cosine) { turn(turns, *sine, *cosine); }
}
