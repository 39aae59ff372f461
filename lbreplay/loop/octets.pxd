# What octets.py says, for compiled modules: `from lbreplay.loop cimport octets`. Bounds of what is read or written are
# proven by whoever calls; a build that checks, checks both ends.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

ctypedef unsigned long long u64

cdef extern from *:
    """
    #include <string.h>
    #include <stdint.h>
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    #define LB_LITTLE16(word) __builtin_bswap16(word)
    #define LB_LITTLE32(word) __builtin_bswap32(word)
    #else
    #define LB_LITTLE16(word) (word)
    #define LB_LITTLE32(word) (word)
    #endif
    static inline uint16_t lb_get16(const unsigned char *at) { uint16_t w; memcpy(&w, at, 2); return LB_LITTLE16(w); }
    static inline uint32_t lb_get32(const unsigned char *at) { uint32_t w; memcpy(&w, at, 4); return LB_LITTLE32(w); }
    static inline void lb_put16(unsigned char *at, uint16_t word) { uint16_t w = LB_LITTLE16(word); memcpy(at, &w, 2); }
    static inline void lb_put32(unsigned char *at, uint32_t word) { uint32_t w = LB_LITTLE32(word); memcpy(at, &w, 4); }
    #if defined(__GNUC__)
    #define lb_fetch(at) __builtin_prefetch(at)
    #else
    #define lb_fetch(at) ((void)(at))
    #endif
    static inline uint32_t lb_swapped(uint32_t w) {
        return w >> 24 | (w >> 8 & 0xff00) | (w << 8 & 0xff0000) | w << 24;
    }
    static inline unsigned long long lb_total(const unsigned char *at, Py_ssize_t size) {
        unsigned long long total = 0;
        for (; size >= 16; at += 16, size -= 16)
            total += (unsigned long long)lb_get32(at) + lb_get32(at + 4)
                + ((unsigned long long)lb_get32(at + 8) + lb_get32(at + 12));
        for (; size >= 4; at += 4, size -= 4)
            total += lb_get32(at);
        if (size & 1)
            total += (uint32_t)at[size - 1] << (size & 2 ? 16 : 0);
        return size & 2 ? total + lb_get16(at) : total;
    }
    """
    unsigned int lb_get16(const unsigned char *) noexcept nogil
    unsigned int lb_get32(const unsigned char *) noexcept nogil
    void lb_put16(unsigned char *, unsigned int) noexcept nogil
    void lb_put32(unsigned char *, unsigned int) noexcept nogil
    unsigned int lb_swapped(unsigned int) noexcept nogil
    u64 lb_total(const unsigned char *, Py_ssize_t) noexcept nogil
    void lb_fetch(const void *) noexcept nogil
    void *memmove(void *, const void *, size_t) noexcept nogil

cdef inline unsigned char *ends(unsigned char[::1] buffer, Py_ssize_t at, Py_ssize_t size) noexcept:
    cdef unsigned char *first = &buffer[at]
    cdef unsigned char *last = &buffer[at + size - 1]
    return last - (last - first)

cdef inline unsigned int word16(unsigned char[::1] buffer, Py_ssize_t at) noexcept:
    return lb_get16(ends(buffer, at, 2))

cdef inline unsigned int word32(unsigned char[::1] buffer, Py_ssize_t at) noexcept:
    return lb_get32(ends(buffer, at, 4))

cdef inline u64 word64(unsigned char[::1] buffer, Py_ssize_t at) noexcept:
    return <u64>lb_get32(ends(buffer, at + 4, 4)) << 32 | lb_get32(ends(buffer, at, 4))

cdef inline void put16(unsigned char[::1] buffer, Py_ssize_t at, unsigned int word) noexcept:
    lb_put16(ends(buffer, at, 2), word)

cdef inline void put32(unsigned char[::1] buffer, Py_ssize_t at, unsigned int word) noexcept:
    lb_put32(ends(buffer, at, 4), word)

cdef inline unsigned int swapped(unsigned int word) noexcept:
    return lb_swapped(word)

cdef inline unsigned int swapped16(unsigned int word) noexcept:
    return (word & 0xFF) << 8 | word >> 8

cdef inline u64 swapped64(u64 word) noexcept:
    return <u64>lb_swapped(<unsigned int>word) << 32 | lb_swapped(<unsigned int>(word >> 32))

cdef inline void fetch(u64[::1] words, Py_ssize_t at) noexcept:
    lb_fetch(&words[at])

cdef inline unsigned int number(unsigned char[::1] buffer, Py_ssize_t at, bint big) noexcept:
    return lb_swapped(word32(buffer, at)) if big else word32(buffer, at)

cdef inline void copy(unsigned char[::1] source, Py_ssize_t at, Py_ssize_t size, unsigned char[::1] target, Py_ssize_t to) noexcept:
    if size > 0:
        memmove(ends(target, to, size), ends(source, at, size), size)

cdef inline bytes taken(unsigned char[::1] buffer, Py_ssize_t at, Py_ssize_t size):
    return PyBytes_FromStringAndSize(<const char *>ends(buffer, at, size) if size > 0 else NULL, size if size > 0 else 0)

cdef inline bytes part(bytes data, Py_ssize_t at, Py_ssize_t size):
    return PyBytes_FromStringAndSize(PyBytes_AS_STRING(data) + at, size)

cdef inline void put(bytes data, unsigned char[::1] target, Py_ssize_t to) noexcept:
    if PyBytes_GET_SIZE(data):
        memmove(ends(target, to, PyBytes_GET_SIZE(data)), PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))

cdef inline u64 total(unsigned char[::1] buffer, Py_ssize_t at, Py_ssize_t size) noexcept:
    return lb_total(ends(buffer, at, size), size) if size > 0 else 0

cdef inline unsigned int checksum(u64 total) noexcept:
    total = (total & 0xFFFF) + (total >> 16 & 0xFFFF) + (total >> 32)
    total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - ((total & 0xFFFF) + (total >> 16))
