// Declarations of the part of Foundation that apple-device.mm uses, written from Apple's documentation: enough for clang to
// check its types on a system without the SDK. Never linked.
#pragma once

typedef unsigned long NSUInteger;
typedef long NSInteger;
typedef double CFTimeInterval;
typedef signed char BOOL;
#define YES ((BOOL)1)
#define NO ((BOOL)0)
// macos(15.0) -> clang's attribute; a target of another system ignores it.
#define CONCLAVE_SINCE_macos(version) availability(macos, introduced = version)
#define API_AVAILABLE(since) __attribute__((CONCLAVE_SINCE_##since))
#define CONCLAVE_BETWEEN_macos(first, last) availability(macos, introduced = first, deprecated = last)
#define API_DEPRECATED(instead, between) __attribute__((CONCLAVE_BETWEEN_##between))
#define nil nullptr

__attribute__((objc_root_class)) @interface NSObject
+ (instancetype)alloc;
- (instancetype)init;
@end

@interface NSString : NSObject
+ (instancetype)stringWithUTF8String:(const char *)text;
- (const char *)UTF8String;
@end

@interface NSNumber : NSObject
+ (NSNumber *)numberWithInt:(int)value;
@end

@protocol NSCopying
@end
@interface NSString (Copying) <NSCopying>
@end

@interface NSDictionary<Key, Value> : NSObject
+ (instancetype)dictionaryWithObjects:(const Value[])objects forKeys:(const Key<NSCopying>[])keys count:(NSUInteger)count;
@end

@interface NSError : NSObject
@property(readonly) NSInteger code;
@property(readonly, copy) NSString *localizedDescription;
@end

@interface NSArray<Element> : NSObject
@property(readonly) NSUInteger count;
- (Element)objectAtIndex:(NSUInteger)index;
@end

typedef struct {
  NSInteger majorVersion, minorVersion, patchVersion;
} NSOperatingSystemVersion;

@interface NSProcessInfo : NSObject
@property(class, readonly, strong) NSProcessInfo *processInfo;
@property(readonly) NSOperatingSystemVersion operatingSystemVersion;
@property(readonly) unsigned long long physicalMemory;
@end
