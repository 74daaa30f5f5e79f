import { Duration, RemovalPolicy, Validations } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import * as s3 from "aws-cdk-lib/aws-s3";
import * as s3express from "aws-cdk-lib/aws-s3express";
import { Construct } from "constructs";
import type { DeployProfile } from "#lib/config/deploy-settings.ts";
import { acknowledgeObjectKeys } from "./exceptions.ts";

export interface StoresProps {
  readonly profile: DeployProfile;
  /** Zone ids of directory buckets, by store id. */
  readonly expressZones: readonly string[];
}

/** One bucket each, in the order of the store ids. */
export interface Store {
  readonly bucketName: string;
  readonly arn: string;
  readonly isExpress: boolean;
  /** The id of the one zone that a directory bucket lies in; other buckets lie in several. */
  readonly zoneId: string | undefined;
}

const REPLICAS = 3;
const ABANDONED_UPLOAD_DAYS = 1;

/**
 * The buckets that hold records. Each is retained when the stack goes, private, encrypted, reached by TLS alone and without
 * versions: objects never change and deletions are final. No lifecycle rule takes an object away; only the product knows
 * what is still referenced.
 */
export class Stores extends Construct {
  readonly stores: readonly Store[];

  constructor(scope: Construct, id: string, props: StoresProps) {
    super(scope, id);
    this.stores =
      props.profile === "express"
        ? props.expressZones.map((zone, storeId) => this.#newDirectoryBucket(storeId, zone))
        : Array.from({ length: props.profile === "single" ? 1 : REPLICAS }, (_, storeId) => this.#newBucket(storeId));
  }

  /** `s3://BUCKET`, by store id. */
  get urls(): readonly string[] {
    return this.stores.map(({ bucketName }) => `s3://${bucketName}`);
  }

  /** The zones of directory buckets, by store id; empty for other buckets. */
  get zoneIds(): readonly string[] {
    return this.stores.flatMap(({ zoneId }) => zoneId ?? []);
  }

  /**
   * Lets a role read and write objects. Nobody gets the right to change a bucket. Listing is what makes S3 say "there is no
   * such object" instead of "you may not know".
   */
  grantUse(role: iam.Role): void {
    for (const { arn, isExpress } of this.stores) {
      if (isExpress) {
        // A session carries all rights to objects; there are no finer ones.
        role.addToPolicy(new iam.PolicyStatement({ actions: ["s3express:CreateSession"], resources: [arn] }));
        continue;
      }
      role.addToPolicy(new iam.PolicyStatement({ actions: ["s3:GetObject", "s3:PutObject"], resources: [`${arn}/*`] }));
      role.addToPolicy(new iam.PolicyStatement({ actions: ["s3:ListBucket"], resources: [arn] }));
    }
    acknowledgeObjectKeys(
      role,
      this.stores.filter(({ isExpress }) => !isExpress).map(({ arn }) => arn),
    );
  }

  /** Lets a role that may use the stores delete garbage, or a damaged copy to put a good one in its place. */
  grantDelete(role: iam.Role): void {
    for (const { arn, isExpress } of this.stores) {
      if (isExpress) continue;
      role.addToPolicy(new iam.PolicyStatement({ actions: ["s3:DeleteObject"], resources: [`${arn}/*`] }));
    }
  }

  #newBucket(storeId: number): Store {
    const bucket = new s3.Bucket(this, `Store${storeId}`, {
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      encryption: s3.BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      versioned: false,
      removalPolicy: RemovalPolicy.RETAIN,
      lifecycleRules: [{ abortIncompleteMultipartUploadAfter: Duration.days(ABANDONED_UPLOAD_DAYS) }],
    });
    Validations.of(bucket).acknowledge({
      id: "AwsSolutions-S1",
      reason:
        "Server access logs would be objects and requests of their own for every object; who asks for what is in CloudTrail's data events where somebody wants it.",
    });
    return { bucketName: bucket.bucketName, arn: bucket.bucketArn, isExpress: false, zoneId: undefined };
  }

  #newDirectoryBucket(storeId: number, zone: string): Store {
    const bucket = new s3express.CfnDirectoryBucket(this, `Store${storeId}`, {
      dataRedundancy: "SingleAvailabilityZone",
      locationName: zone,
      bucketEncryption: {
        serverSideEncryptionConfiguration: [{ serverSideEncryptionByDefault: { sseAlgorithm: "AES256" } }],
      },
      lifecycleConfiguration: {
        rules: [{ status: "Enabled", abortIncompleteMultipartUpload: { daysAfterInitiation: ABANDONED_UPLOAD_DAYS } }],
      },
    });
    bucket.applyRemovalPolicy(RemovalPolicy.RETAIN);
    // Public access cannot be given to a directory bucket at all; this refuses plain HTTP as for the others.
    new s3express.CfnBucketPolicy(this, `Store${storeId}Policy`, {
      bucket: bucket.ref,
      policyDocument: {
        Version: "2012-10-17",
        Statement: [
          {
            Effect: "Deny",
            Principal: { AWS: "*" },
            Action: "s3express:*",
            Resource: bucket.attrArn,
            Condition: { Bool: { "aws:SecureTransport": "false" } },
          },
        ],
      },
    }).applyRemovalPolicy(RemovalPolicy.RETAIN);
    return { bucketName: bucket.ref, arn: bucket.attrArn, isExpress: true, zoneId: zone };
  }
}
