// Declarations of the part of Foundation that apple-device.mm uses, written from Apple's documentation: enough for clang to
// check its types on a system without the SDK. Never linked.
#pragma once

typedef unsigned long NSUInteger;
typedef long NSInteger;
typedef signed char BOOL;
#define YES ((BOOL)1)
#define NO ((BOOL)0)
#define API_AVAILABLE(...)
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

@interface NSProcessInfo : NSObject
@property(class, readonly, strong) NSProcessInfo *processInfo;
@property(readonly) unsigned long long physicalMemory;
@end
