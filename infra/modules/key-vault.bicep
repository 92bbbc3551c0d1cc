// For the keys that sign callback addresses, and for nothing else: all other access is by identity.
// No secret is made here. A template that generates a key makes a new one with every deployment, and one that
// takes it as a parameter writes it down on the way; an operator puts it in (docs/security.md).
param name string
param location string
param tags object
param isolated bool
param allowedIps array
param purgeProtection bool

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  // checkov:skip=CKV_AZURE_109: closed with networkIsolation; otherwise Entra and one role guard it
  // checkov:skip=CKV_AZURE_110: a parameter, see enablePurgeProtection
  // checkov:skip=CKV_AZURE_42: as CKV_AZURE_110; soft delete is on
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: subscription().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 7
    // Azure refuses `false`, so it is left out. Off by default: a signing key that is lost is made anew, while a
    // protected name blocks an environment of the same name for a week.
    enablePurgeProtection: purgeProtection ? true : null
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      defaultAction: isolated ? 'Deny' : 'Allow'
      bypass: 'AzureServices'
      ipRules: [for ip in allowedIps: {
        value: trim(ip)
      }]
      virtualNetworkRules: []
    }
  }
}
