// A storage account: what all of ours promise. No shared key, no anonymous blob, TLS 1.2, HTTPS only.
param name string
param location string
param tags object
param skuName string
param containers array
param queues array

@description('public; trusted (private endpoints, allowedIps and Azure\'s trusted services); or private (private endpoints only).')
@allowed([
  'public'
  'trusted'
  'private'
])
param network string
param allowedIps array

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  // checkov:skip=CKV_AZURE_35: closed with networkIsolation; otherwise Entra alone opens it, keys and anonymous access are off
  // checkov:skip=CKV_AZURE_206: a parameter for the insights storage; what the other accounts hold is made anew or Video Indexer's
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: skuName
  }
  properties: {
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: network == 'private' ? 'Disabled' : 'Enabled'
    networkAcls: {
      defaultAction: network == 'public' ? 'Allow' : 'Deny'
      bypass: 'AzureServices'
      ipRules: [for ip in allowedIps: {
        value: trim(ip)
        action: 'Allow'
      }]
      virtualNetworkRules: []
    }
  }
}

// No soft delete of blobs: `control` is overwritten with every request to Video Indexer, and each overwriting
// would be kept and paid for; what matters has its versions in keywords-history. Whole containers come back.
resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: account
  name: 'default'
  properties: {
    containerDeleteRetentionPolicy: {
      enabled: true
      days: 7
    }
  }
}

resource blobContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = [for container in containers: {
  parent: blobs
  name: container
  properties: {
    publicAccess: 'None'
  }
}]

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2024-01-01' = {
  parent: account
  name: 'default'
}

// The poison queues as well: the host would make them, but then without a role of their own.
resource storageQueues 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' = [for queue in queues: {
  parent: queueService
  name: queue
}]

output blobEndpoint string = account.properties.primaryEndpoints.blob
output queueEndpoint string = account.properties.primaryEndpoints.queue
